"""Verification of a bundle's artefacts on all installed engines, by golden answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgecnn_runtime.bundle import ArtefactContent, Bundle
from edgecnn_runtime.engines import engine_class, engine_names, oracles_of
from edgecnn_runtime.engines.adapted import adapt
from edgecnn_runtime.engines.choose import choose
from edgecnn_runtime.engines.engine_id import EngineId, engine_id
from edgecnn_runtime.engines.protocol import Engine
from edgecnn_runtime.engines.table import ORACLES, REFERENCE
from edgecnn_runtime.errors import (
    EngineError,
    EngineUnavailable,
    FeedError,
    ManifestInvalid,
)
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.contents import verify_contents
from edgecnn_runtime.parity.difference import Answer, Groups, compare
from edgecnn_runtime.parity.golden import golden_answers, largest_steps
from edgecnn_runtime.parity.isolated import verify_isolated, verify_training_isolated
from edgecnn_runtime.parity.row import Parity
from edgecnn_runtime.parity.tolerances import is_within_limit, limit_of
from edgecnn_runtime.parity.training import verify_training
from edgecnn_runtime.parity.verdict import ParityVerdict
from edgecnn_runtime.progress import Progress, no_progress

# Errors by which an engine refuses an artefact or its inputs.
REFUSALS = (EngineError, FeedError, ManifestInvalid, ValueError, KeyError)


def verify(
    bundle: Bundle,
    engines: tuple[str, ...] | None = None,
    *,
    isolated: bool = False,
    progress: Progress = no_progress,
) -> list[Parity]:
    """Check every file, run the golden examples on all engines, and check what lies beside them.

    Args:
        engines: names of the engines to run; None takes all that open a format of the bundle.
        isolated: run each artefact on each engine in a process of its own; a crash becomes a row,
            and the others go on.
        progress: called with the share done, 0 to 1.

    Raises:
        BundleError: the bundle cannot be trusted.
        EngineError: no engine has one of the names.
    """
    bundle.check()
    bundle.outside()  # refuses the file of another export before any engine runs
    kinds = [engine_class(name) for name in engines or engine_names()]
    pairs = [
        (artefact, each)
        for artefact in bundle.manifest.artefacts
        for kind in kinds
        if artefact.format in kind.formats
        for each in (kind, *_oracles(artefact, kind))
    ]
    if engines and not pairs:
        choose(bundle.manifest, engines[0])  # raises what no engine of these runs
    rows = []
    for number, (artefact, kind) in enumerate(pairs):
        rows.append(_verify_pair(bundle, artefact, kind, isolated))
        progress((number + 1) / len(pairs))
    if any(kind.name == REFERENCE for kind in kinds):
        learnt = verify_training_isolated(bundle) if isolated else verify_training(bundle)
        rows += [] if learnt is None else [learnt]
    return [*rows, *verify_contents(bundle)]


def _oracles(artefact: Artefact, kind: type[Engine]) -> list[type[Engine]]:
    """The engines that define what the artefact means, beside the one that runs it."""
    return [each for each in oracles_of(artefact) if each.formats == kind.formats]


def _verify_pair(bundle: Bundle, artefact: Artefact, kind: type[Engine], isolated: bool) -> Parity:
    if not isolated:
        return verify_artefact(bundle, artefact, kind)
    row = verify_isolated(bundle.path, artefact, kind.name, bundle.budget)
    if row.verdict == "crashed" and kind.name in ORACLES:
        # Slow kernels on a large network: no fault of the artefact.
        return replace(row, verdict="skipped")
    return row


def verify_artefact(bundle: Bundle, artefact: Artefact, kind: type[Engine]) -> Parity:
    """Verify the golden answers of one artefact on one engine, in this process.

    Raises:
        BundleError: the artefact does not match the manifest.
    """
    precision = artefact.precision
    if not bundle.manifest.golden:
        note = "no golden examples"
        return Parity(artefact.path, EngineId(kind.name), precision, "skipped", None, note)
    try:
        engine = engine_id(kind)
    except EngineUnavailable as error:
        note = f"{error.reason}, {error.fix}"
        return Parity(artefact.path, EngineId(kind.name), precision, "skipped", None, note)
    content = bundle.read_artefact(artefact)
    try:
        answers = _answers(bundle, artefact, kind, content)
        return judge(artefact, engine, answers, bundle.manifest.groups)
    except REFUSALS as error:
        return Parity(artefact.path, engine, precision, "differs", None, f"does not run: {error}")


def judge(
    artefact: Artefact, engine: EngineId, answers: Sequence[Answer], groups: Groups
) -> Parity:
    """Parity row of an artefact from its answers to the golden inputs.

    Where there are examples beside the bundle, they decide once those in it are answered.

    Args:
        groups: of the manifest: the groups of each output's channels.

    Raises:
        ValueError: there is no answer, or its shape is not the original network's.
    """
    measured = compare((each for each in answers if not each.is_outside), groups)
    within, limit = is_within_limit(measured, artefact), limit_of(artefact, measured)
    outside = [each for each in answers if each.is_outside]
    if outside and within:
        measured = compare(outside, groups)
        own = replace(artefact, sqnr_db=artefact.outside_db)
        within = is_within_limit(measured, own)
        limit = limit_of(own, measured)
    verdict: ParityVerdict = "differs" if not within else "weak" if artefact.is_weak else "equal"
    steps = largest_steps(answers, artefact)
    precision = artefact.precision
    return Parity(artefact.path, engine, precision, verdict, measured, limit, steps, "measured")


def _answers(
    bundle: Bundle, artefact: Artefact, kind: type[Engine], content: ArtefactContent
) -> list[Answer]:
    with bundle.budget.step():
        engine = kind.open(content.model, weights=content.weights)
    try:
        return list(golden_answers(bundle, adapt(engine, bundle.manifest, artefact)))
    finally:
        engine.close()
