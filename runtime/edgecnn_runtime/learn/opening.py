"""Opening a bundle to learn: training graph, values, classes."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines.choose import choose
from edgecnn_runtime.errors import NotTrainable, OverBudget
from edgecnn_runtime.learn.head import check_labels, new_head, with_classes
from edgecnn_runtime.learn.provenance import Account
from edgecnn_runtime.learn.rewrite import Learnt, rewritable
from edgecnn_runtime.learn.session import LearningSession
from edgecnn_runtime.learn.step import TrainingStep
from edgecnn_runtime.manifest import Manifest
from edgecnn_runtime.training import STEP

# A step reads one buffer and writes another.
_BUFFERS = 2


def open_to_learn(
    bundle: Bundle,
    *,
    labels: Sequence[str] | None,
    seed: int,
    engine: str | None,
    precision: str | None,
    threads: int | None,
    artefact: str | None,
) -> LearningSession:
    """A session that learns, which takes the opened bundle over.

    Raises:
        NotTrainable: the bundle has no training graph, or its classes cannot be replaced.
        BundleError: the bundle cannot be trusted, or would cost too much.
        EngineUnavailable: ONNX Runtime is not installed.
        EngineError: it refuses the training graph or the artefact.
        ValueError: the seed is no number that a generator takes.
    """
    files = bundle.training()
    if len(bundle.manifest.inputs) > 1:
        raise NotTrainable(f"{bundle.path} reads several inputs; learning takes a network of one")
    if type(seed) is not int or not 0 <= seed < 1 << 64:
        raise ValueError(f"seed is {seed!r}, expected a whole number from 0, below 2^64")
    manifest = replace(bundle.manifest, artefacts=rewritable(bundle.manifest))
    chosen = choose(manifest, engine, precision, artefact)
    bundle.check(with_artefacts=False)
    # What is learnt is saved with it: a damaged one is refused before the work, not after it.
    bundle.golden_step()
    names, values = bundle.labels(), files.values
    if labels is not None and (wanted := check_labels(bundle, labels)) != names:
        names, manifest = wanted, with_classes(manifest, len(wanted))
        values = _of_new_classes(manifest, values)
    _refuse_large(bundle, manifest)
    with contextlib.ExitStack() as undo:
        with bundle.budget.step():
            step = TrainingStep(files.graph, manifest, values, seed=seed, threads=threads)
        undo.callback(step.close)
        learnt = Learnt(manifest, names, values, {})
        session = LearningSession(bundle, learnt, step, Account(seed), chosen, threads)
        undo.pop_all()
    return session


def _of_new_classes(manifest: Manifest, values: dict[str, Array]) -> dict[str, Array]:
    """The values with a new head; the optimiser begins anew."""
    assert manifest.training is not None
    stale = {STEP, *(spec.name for spec in manifest.training.state)}
    kept = {name: array for name, array in values.items() if name not in stale}
    return kept | new_head(manifest)


def _refuse_large(bundle: Bundle, manifest: Manifest) -> None:
    """Refuse to learn what takes more memory than the budget has."""
    training = manifest.training
    assert training is not None
    changed = (*manifest.parameters, *training.statistics, *training.state)
    size = _BUFFERS * sum(spec.size_bytes for spec in changed)
    if size > bundle.budget.memory_bytes:
        raise OverBudget(
            f"{bundle.path} takes {size:,} bytes for what it learns, at most "
            f"{bundle.budget.memory_bytes:,} are allowed; export it with fewer layers to learn, or "
            "open it with a larger Budget"
        )
