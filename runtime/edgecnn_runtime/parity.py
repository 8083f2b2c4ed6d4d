"""Is every artefact of a bundle, on every engine here, equal to the original network?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgecnn_runtime.adapted import adapt
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines import Engine, engine_class, engine_names
from edgecnn_runtime.errors import BundleError, EngineError, EngineUnavailable, FeedError
from edgecnn_runtime.golden import Difference, difference, is_as_proven, limit_of, run_golden
from edgecnn_runtime.manifest import Artefact

Verdict = Literal["equal", "differs", "skipped"]

# A grey level on either side of a rounding boundary is one level; more is another preprocessing.
PREPROCESS_LEVELS = 1.0


@dataclass(frozen=True)
class Parity:
    """One line of proof.

    Attributes:
        subject: path of the artefact, or "preprocessing".
        engine: its name and version, empty for the preprocessing.
        note: the tolerance that the verdict rests on, or why nothing was run.
    """

    subject: str
    engine: str
    precision: str
    verdict: Verdict
    difference: Difference | None
    note: str


def verify(bundle: Bundle, engines: tuple[str, ...] | None = None) -> list[Parity]:
    """Check every file, then run the golden examples through preprocessing and all engines.

    Args:
        engines: names of the engines to run; None takes all that open a format of the bundle.

    Raises:
        BundleError: the bundle cannot be trusted.
        EngineError: no engine has one of the names.
    """
    bundle.check()
    kinds = [engine_class(name) for name in engines or engine_names()]
    found = [
        _run(bundle, artefact, kind)
        for artefact in bundle.manifest.artefacts
        for kind in kinds
        if artefact.format in kind.formats
    ]
    return [*found, *_verify_preprocess(bundle)]


def _run(bundle: Bundle, artefact: Artefact, kind: type[Engine]) -> Parity:
    precision = artefact.precision
    if not bundle.manifest.golden:
        return Parity(artefact.path, kind.name, precision, "skipped", None, "no golden examples")
    try:
        version = f"{kind.name} {kind.version()}"
    except EngineUnavailable as error:
        return Parity(artefact.path, kind.name, precision, "skipped", None, str(error))
    try:
        content = bundle.read_artefact(artefact)
        engine = kind.open(content.model, weights=content.weights)
        try:
            found = run_golden(bundle, adapt(engine, bundle.manifest, artefact))
        finally:
            engine.close()
    except (EngineError, FeedError, ValueError, KeyError) as error:
        return Parity(artefact.path, version, precision, "differs", None, f"does not run: {error}")
    verdict: Verdict = "equal" if is_as_proven(found, artefact) else "differs"
    return Parity(artefact.path, version, precision, verdict, found, limit_of(artefact))


def _verify_preprocess(bundle: Bundle) -> list[Parity]:
    """The bundle's preprocessing still makes the golden inputs of the golden images."""
    spec = bundle.manifest.preprocess
    if spec is None or not any(entry.image for entry in bundle.manifest.golden):
        return []
    from edgecnn_runtime.preprocess import preprocess

    name = bundle.manifest.inputs[0].name
    pairs = []
    for index in range(len(bundle.manifest.golden)):
        example = bundle.golden(index)
        if example.image is not None:
            found = preprocess(example.image, spec)
            if found.shape != example.inputs[name].shape:
                raise BundleError(
                    f"{bundle.path}: preprocessing makes {found.shape}, "
                    f"the golden input is {example.inputs[name].shape}"
                )
            pairs.append((example.inputs[name], found))
    result = difference(pairs)
    limit = PREPROCESS_LEVELS * abs(spec.scale) / float(np.abs(spec.std).min()) * (1 + 1e-5)
    verdict: Verdict = "equal" if result.max_abs <= limit else "differs"
    return [Parity("preprocessing", "", "uint8", verdict, result, "≤ one grey level")]
