"""Every runtime tells the same values under the same names, NCHW and real."""

from __future__ import annotations

import numpy as np
import pytest
from parity.faults.networks import quantised, segmenter, tflite

from edgecnn_exporters.diagnose.openvino_suspect import OpenVinoSuspect
from edgecnn_exporters.diagnose.sources import (
    ModuleSource,
    OnnxReference,
    OnnxSuspect,
    ValueSource,
    reference_values,
)
from edgecnn_exporters.diagnose.tflite.suspect import TfliteSuspect
from edgecnn_exporters.targets.openvino.write import write_openvino

NAMES = {"stem.2", "smooth", "up", "concat", "leaky", "logits"}


def source_of(kind: str) -> ValueSource:
    built = segmenter()
    if kind == "onnxruntime":
        return OnnxSuspect(built.model, "fp32")
    if kind == "onnxruntime as it stands":
        return OnnxSuspect(built.model, "fp32", optimised=False)
    if kind == "onnx reference":
        return OnnxReference(built.model)
    if kind == "tflite":
        return TfliteSuspect(tflite(built, "fp32"), "fp32")
    if kind == "openvino":
        made = write_openvino(built.model, "fp32")
        return OpenVinoSuspect(made.xml, made.weights, built.model, "fp32")
    return ModuleSource(built.module)


@pytest.mark.parametrize(
    "kind",
    ["onnxruntime", "onnxruntime as it stands", "onnx reference", "tflite", "openvino", "pytorch"],
)
def test_a_runtime_tells_its_values_by_name(kind: str) -> None:
    built = segmenter()
    expected = reference_values(built.model, built.feeds, NAMES)
    found = source_of(kind).values(built.feeds, NAMES)
    assert {"stem.2", "smooth", "up", "leaky"} <= set(found)
    for name, array in found.items():
        np.testing.assert_allclose(array, expected[name], atol=2e-5 * np.abs(expected[name]).max())


def test_8_bits_are_told_as_the_reals_that_they_stand_for() -> None:
    """A few steps gather over six layers that round."""
    built = segmenter()
    expected = reference_values(quantised(built), built.feeds, NAMES)
    found = TfliteSuspect(tflite(built, "int8"), "int8").values(built.feeds, NAMES)
    assert len(found) >= 4
    for name, array in found.items():
        span = float(np.ptp(expected[name]))
        assert np.abs(array - expected[name]).max() <= 6 * span / 255, name
