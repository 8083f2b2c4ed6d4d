"""Nothing leaves the compiler unproven: an artefact is run before it is packed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgecnn_exporters.errors import TargetDiffers
from edgecnn_exporters.targets import Translated
from edgecnn_exporters.targets.saturation import saturates_here
from edgecnn_runtime.engines import Array, Engine, engine_class, engine_names
from edgecnn_runtime.engines.adapted import adapt, dequantise, quantise
from edgecnn_runtime.errors import EngineError
from edgecnn_runtime.manifest import Artefact, Manifest
from edgecnn_runtime.parity.golden import Difference, difference, is_as_proven

Float = np.ndarray[Any, np.dtype[np.float32]]


def prove(
    translated: Translated,
    manifest: Manifest,
    examples: Sequence[tuple[Float, Mapping[str, Array]]],
) -> Artefact:
    """The artefact, once an engine here has answered all examples with it as it should.

    A float one answers as the original does, within the tolerance of its precision; one of 8 bits
    as near to it as ONNX Runtime does with the QDQ graph that both were made from. Where OpenVINO's
    kernels saturate on this processor, it is asked to compute the same in float.

    Args:
        examples: inputs, and what the original answers, by name.

    Raises:
        TargetDiffers: it answers otherwise.
        EngineError: no engine here opens it, or that one refuses.
    """
    artefact = translated.artefact
    found = _compare(translated, manifest, examples)
    if artefact.precision == "int8":
        (onnx,) = (a for a in manifest.artefacts if (a.format, a.precision) == ("onnx", "int8"))
        assert onnx.sqnr_db is not None
        wanted = _with_rounding(onnx.sqnr_db, artefact, examples)
        limit = replace(onnx, sqnr_db=wanted)
        if not is_as_proven(found, limit) and artefact.format == "openvino" and saturates_here():
            # Not this file's fault: its numbers are right where pairs are added in 32 bits.
            found = _compare(translated, manifest, examples, in_integers=False)
        if not is_as_proven(found, limit):
            raise _differs(artefact, f"{found.sqnr_db:.1f} dB", f"{wanted:.1f} dB as in ONNX")
        return replace(artefact, sqnr_db=round(found.sqnr_db, 2))
    if not is_as_proven(found, artefact):
        raise _differs(artefact, f"{found.relative:.1e} of its output", "the same")
    return artefact


def _compare(
    translated: Translated,
    manifest: Manifest,
    examples: Sequence[tuple[Float, Mapping[str, Array]]],
    **options: bool,
) -> Difference:
    artefact = translated.artefact
    weights = None if artefact.weights is None else translated.files[artefact.weights]
    kind = _engine_for(artefact)
    opened = kind.open(translated.files[artefact.path], weights=weights, **options)
    try:
        model = adapt(opened, manifest, artefact)
        name = manifest.inputs[0].name
        return difference(
            (expected[output], found[output])
            for feed, expected in examples
            for found in [model.run({name: feed})]
            for output in expected
        )
    finally:
        opened.close()


def _with_rounding(
    sqnr_db: float, artefact: Artefact, examples: Sequence[tuple[Float, Mapping[str, Array]]]
) -> float:
    """What is left of a signal to noise ratio when the results are rounded to 8 bits as well."""
    # A zero point below zero is one of int8; of the others either type gives the same steps, for
    # what saturates is beyond the range that was calibrated.
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


def _engine_for(artefact: Artefact) -> type[Engine]:
    kinds = [engine_class(name) for name in engine_names()]
    for kind in kinds:
        if artefact.format in kind.formats and kind.is_installed():
            return kind
    named = [kind for kind in kinds if artefact.format in kind.formats]
    mend = f"pip install 'edgecnn[{named[0].extra}]'" if named else "leave that target out"
    raise EngineError(f"no engine here runs {artefact.path}, so it cannot be proven; {mend}")


def _differs(artefact: Artefact, found: str, expected: str) -> TargetDiffers:
    return TargetDiffers(
        f"{artefact.path} differs from the original by {found}, expected {expected}; nothing was "
        f"written. Leave out --target {artefact.format}, and please report it: this is a defect"
    )
