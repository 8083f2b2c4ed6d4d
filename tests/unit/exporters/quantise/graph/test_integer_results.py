"""Results of 8 bits: the QDQ graph to its very end, and its uint8 ends."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.targets.tflite.integer_support import IMAGES, encode, quantised

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.quantise.graph.integer_ends import uint8_ends
from edgecnn_exporters.quantise.graph.integer_results import float_outputs, with_integer_results
from edgecnn_exporters.quantise.graph.output_encodings import (
    FLOAT,
    SCALE,
    ZERO_POINT,
    noted_encoding,
)
from edgecnn_exporters.quantise.graph.probe import ValueProbe

CLASSES = "float[N, K] y"
LOGITS = "f = Flatten (x) [fc] y = Gemm <transB = 1> (f, wide, offset)"
SOFTMAX = "f = Flatten (x) [fc] z = Gemm <transB = 1> (f, wide, offset) y = Softmax <axis = 1> (z)"


def ends(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph][-2:]


def test_the_last_sum_is_held_in_its_noted_encoding_and_rounds_the_float_result() -> None:
    model = quantised(LOGITS, CLASSES)
    held = with_integer_results(model)
    assert ends(held) == ["QuantizeLinear", "DequantizeLinear"]
    assert ends(model) != ends(held), "the graph itself stays as it is"
    note = noted_encoding(model.graph.outputs[0])
    assert note is not None
    for image in IMAGES:
        expected = ValueProbe(model, ["y"]).run(image)["y"]
        found = ValueProbe(held, ["y"]).run(image)["y"]
        np.testing.assert_allclose(found, note.dequantise(note.quantise(expected)), rtol=1e-6)


def test_a_softmax_behind_it_has_the_encoding_of_probabilities() -> None:
    held = with_integer_results(quantised(SOFTMAX, CLASSES))
    operators = [node.op_type for node in held.graph]
    assert operators[-5:] == [
        *("QuantizeLinear", "DequantizeLinear", "Softmax", "QuantizeLinear", "DequantizeLinear")
    ]
    found = ValueProbe(held, ["y"]).run(IMAGES[0])["y"] * 256
    np.testing.assert_array_equal(found, np.rint(found))


def test_a_result_without_an_encoding_stays_float_and_is_named_with_its_reason() -> None:
    model = quantised(LOGITS, CLASSES).clone()
    value = model.graph.outputs[0]
    del value.metadata_props[SCALE], value.metadata_props[ZERO_POINT]
    value.metadata_props[FLOAT] = "boxes and scores in one tensor"
    held = with_integer_results(model)
    assert float_outputs(held.graph) == {"y": "boxes and scores in one tensor"}
    with pytest.raises(UnsupportedModel, match="output y is not held in 8 bits: Gemm fc makes it"):
        uint8_ends(held)


@pytest.mark.parametrize("body", [LOGITS, SOFTMAX, "[c] a = Conv (x, gate) y = Add (x, a)"])
def test_uint8_ends_answer_with_the_integers_of_the_graph(body: str) -> None:
    answers = CLASSES if "Flatten" in body else "float[N, C, H, W] y"
    held = with_integer_results(quantised(body, answers))
    integers, encodings = uint8_ends(held)
    types = [value.dtype for value in (*integers.graph.inputs, *integers.graph.outputs)]
    assert types == [ir.DataType.UINT8, ir.DataType.UINT8]
    scale, zero_point = encodings["y"]
    for image in IMAGES:
        expected = ValueProbe(held, ["y"]).run(image)["y"]
        fed = encode(encodings["x"], image, "uint8")
        found = ValueProbe(integers, ["y"]).run(fed)["y"]
        assert found.dtype == np.uint8
        reals = (found.astype(np.float32) - zero_point) * np.float32(scale)
        np.testing.assert_array_equal(reals, expected)
