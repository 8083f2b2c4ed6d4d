"""Every runtime gives the same values under the same names, as reals in NCHW."""

from __future__ import annotations

import numpy as np
import pytest
from parity.faults.networks import quantised, segmenter, tflite

from edgecnn_exporters.diagnose.openvino_candidate import OpenVinoCandidate
from edgecnn_exporters.diagnose.sources import (
    ModuleSource,
    OnnxCandidate,
    OnnxReference,
    ValueSource,
    reference_values,
)
from edgecnn_exporters.diagnose.tflite.candidate import TfliteCandidate
from edgecnn_exporters.targets.openvino.write import write_openvino

# The networks are built and quantised once, by one worker.
pytestmark = pytest.mark.xdist_group("networks for faults")

NAMES = {"stem.2", "smooth", "up", "concat", "leaky", "logits"}


def source_of(kind: str) -> ValueSource:
    built = segmenter()
    if kind == "onnxruntime":
        return OnnxCandidate(built.model, "fp32")
    if kind == "onnxruntime not optimised":
        return OnnxCandidate(built.model, "fp32", optimised=False)
    if kind == "onnx reference":
        return OnnxReference(built.model)
    if kind == "tflite":
        return TfliteCandidate(tflite(built, "fp32"), "fp32")
    if kind == "openvino":
        made = write_openvino(built.model, "fp32")
        return OpenVinoCandidate(made.xml, made.weights, built.model, "fp32")
    return ModuleSource(built.module)


@pytest.mark.parametrize(
    "kind",
    ["onnxruntime", "onnxruntime not optimised", "onnx reference", "tflite", "openvino", "pytorch"],
)
def test_a_runtime_gives_its_values_by_name(kind: str) -> None:
    built = segmenter()
    expected = reference_values(built.model, built.feeds, NAMES)
    values = source_of(kind).values(built.feeds, NAMES)
    assert {"stem.2", "smooth", "up", "leaky"} <= set(values)
    for name, array in values.items():
        np.testing.assert_allclose(array, expected[name], atol=2e-5 * np.abs(expected[name]).max())


def test_values_in_8_bits_are_given_as_reals() -> None:
    """Six layers that round add up to a few steps."""
    built = segmenter()
    expected = reference_values(quantised(built), built.feeds, NAMES)
    values = TfliteCandidate(tflite(built, "int8"), "int8").values(built.feeds, NAMES)
    assert len(values) >= 4
    for name, array in values.items():
        span = float(np.ptp(expected[name]))
        assert np.abs(array - expected[name]).max() <= 6 * span / 255, name
