"""Acceptance of artefacts: each answers the golden examples on its engine before it is packed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgecnn_exporters.errors import TargetDiffers
from edgecnn_exporters.targets import ANSWERED, TargetInvalid, Translated
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.engines.adapted import adapt, dequantise, quantise
from edgecnn_runtime.engines.protocol import Engine
from edgecnn_runtime.errors import EngineError
from edgecnn_runtime.manifest import Artefact, Manifest
from edgecnn_runtime.parity.golden import Difference, difference
from edgecnn_runtime.parity.tolerances import is_within_limit

GoldenExamples = Sequence[tuple[Float32, Mapping[str, Array]]]


def accept(translated: Translated, manifest: Manifest, examples: GoldenExamples) -> Artefact:
    """Accept an artefact, and return its entry in the manifest.

    A float one must compute what the original does, within the tolerance of its precision; one of
    8 bits must come as near to it as ONNX Runtime does with the QDQ graph that both were made
    from. Where the engine misses that by a known fault of this processor, the target's exact
    engine decides. What no engine here runs is accepted as its target's compiler wrote it.

    Args:
        examples: inputs, and the original's outputs by name.

    Raises:
        TargetDiffers: its outputs differ.
        EngineError: its engine is not installed, or refuses it.
    """
    if translated.target.proof not in ANSWERED:
        return translated.artefact
    if translated.artefact.precision == "int8":
        return _accept_int8(translated, manifest, examples)
    artefact = translated.artefact
    measured = _compare(_open(translated), artefact, manifest, examples)
    if not is_within_limit(measured, artefact):
        raise _differs(translated, f"{measured.relative:.1e} of its output", "the same")
    return artefact


def _accept_int8(translated: Translated, manifest: Manifest, examples: GoldenExamples) -> Artefact:
    artefact = translated.artefact
    (onnx,) = (a for a in manifest.artefacts if (a.format, a.precision) == ("onnx", "int8"))
    assert onnx.sqnr_db is not None
    expected = _with_rounding(onnx.sqnr_db, artefact, examples)
    limit = replace(onnx, sqnr_db=expected)
    measured = _compare(_open(translated), artefact, manifest, examples)
    if not is_within_limit(measured, limit):
        exact = translated.target.open_exact(translated)
        if exact is not None:
            measured = _compare(exact, artefact, manifest, examples)
    if not is_within_limit(measured, limit):
        raise _differs(translated, f"{measured.sqnr_db:.1f} dB", f"{expected:.1f} dB as in ONNX")
    return replace(artefact, sqnr_db=round(measured.sqnr_db, 2))


def _compare(
    engine: Engine, artefact: Artefact, manifest: Manifest, examples: GoldenExamples
) -> Difference:
    """Difference of the opened artefact from the original; the engine is closed afterwards."""
    try:
        model = adapt(engine, manifest, artefact)
        name = manifest.inputs[0].name
        return difference(
            (expected[output], answers[output])
            for feed, expected in examples
            for answers in [model.run({name: feed})]
            for output in expected
        )
    finally:
        engine.close()


def _with_rounding(sqnr_db: float, artefact: Artefact, examples: GoldenExamples) -> float:
    """A signal-to-noise ratio, reduced by rounding the outputs to 8 bits as well."""
    # A zero point below zero is int8's; with others both types give the same steps, for what
    # saturates is beyond the calibrated range.
    dtype = "int8" if any(zero < 0 for _, zero in artefact.encodings.values()) else "uint8"
    rounded = [
        (expected[name], dequantise(quantise(expected[name], encoding, dtype), encoding))
        for _, expected in examples
        for name, encoding in artefact.encodings.items()
        if name in expected
    ]
    if not rounded:
        return sqnr_db
    own = difference(rounded).sqnr_db
    return -10 * math.log10(10 ** (-sqnr_db / 10) + 10 ** (-own / 10))


def _open(translated: Translated) -> Engine:
    target, path = translated.target, translated.artefact.path
    if target.engine is None:
        raise TargetInvalid(
            f"target {target.name!r} names no engine, but says that answers of {path} are "
            f"{target.proof}: a defect of that target"
        )
    kind = engine_class(target.engine)
    if not kind.is_installed():
        fix = f"pip install 'edgecnn[{kind.extra}]'" if kind.extra else "leave that target out"
        raise EngineError(f"no engine here runs {path}, so it cannot be proven; {fix}")
    return kind.open(translated.model, weights=translated.weights)


def _differs(translated: Translated, measured: str, expected: str) -> TargetDiffers:
    return TargetDiffers(
        f"{translated.artefact.path} differs from the original by {measured}, expected {expected}; "
        f"nothing was written. Leave out --target {translated.target.name}, and please report it: "
        "this is a defect"
    )
