from __future__ import annotations

import numpy as np
import onnx
import onnx.checker
import onnx_ir as ir
import pytest
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.quantise.calibrate.ranges import encode_groups, quantise_weights
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.plan import make_plan
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.graph.qdq import Numbers, encode_operand, write_qdq
from edgecnn_runtime.encoding import Range, encode

CONV = "[conv] a = Conv <pads = [1, 1, 1, 1]> (x, w1, b1)"
IMAGE = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)


def quantised(model: ir.Model, config: QuantConfig | None = None) -> ir.Model:
    """Quantised within the ranges that `IMAGE` has."""
    plan = make_plan(model.graph)
    seen = ValueProbe(model, plan.sources).run(IMAGE)
    ranges = {name: Range(float(v.min()), float(v.max())) for name, v in seen.items()}
    activations = encode_groups(plan, ranges)
    weights = quantise_weights(model.graph, plan, activations, config or QuantConfig())
    found = write_qdq(model, plan, Numbers(activations, weights))
    onnx.checker.check_model(onnx.load_from_string(to_bytes(found)), full_check=True)
    return found


def run(model: ir.Model) -> np.ndarray:
    (output,) = ValueProbe(model).run(IMAGE).values()
    return output


def operators(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


@pytest.mark.parametrize(
    "body",
    [
        f"{CONV} y = Relu (a)",
        f"{CONV} y = Clip (a, zero, six)",
        f"{CONV} b = Relu (a) y = MaxPool <kernel_shape = [2, 2]> (b)",
        f"{CONV} b = Sigmoid (a) y = Mul (a, b)",
        f"{CONV} y = Add (a, one)",
        f"{CONV} b = Relu (a) y = Concat <axis = 1> (a, b)",
        f"{CONV} b = LRN <size = 3> (a) y = Conv (b, w2, b2)",
        "[conv] a = Conv (x, w1) y = Conv (a, w2)",
    ],
)
def test_the_quantised_graph_computes_nearly_the_same(body: str) -> None:
    model = network(body)
    expected, found = run(model), run(quantised(model))
    assert found.shape == expected.shape
    noise = np.square(found - expected).mean() / np.square(expected).mean()
    assert noise < 2e-3


def test_the_float_model_is_left_as_it_was() -> None:
    model = network(f"{CONV} y = Relu (a)")
    before = to_bytes(model)
    quantised(model)
    assert to_bytes(model) == before


def test_names_of_inputs_and_outputs_stay() -> None:
    found = quantised(network(f"{CONV} [relu] y = Relu (a)"))
    assert [value.name for value in found.graph.inputs] == ["x"]
    assert [value.name for value in found.graph.outputs] == ["y"]


def test_weights_are_int8_and_biases_int32_at_the_scale_of_the_products() -> None:
    found = quantised(network(f"{CONV} y = Relu (a)")).graph.initializers
    assert found["w1.quantised"].dtype == ir.DataType.INT8
    assert found["b1.quantised"].dtype == ir.DataType.INT32
    assert "w1" not in found, "the float weight must not travel along"
    expected = (
        found["x.scale"].const_value.numpy() * found["w1.quantised.scale"].const_value.numpy()
    )
    np.testing.assert_array_equal(found["b1.quantised.scale"].const_value.numpy(), expected)


def test_a_float_reader_of_a_float_value_does_not_read_it_quantised() -> None:
    model = network(
        "b = LRN <size = 3> (x) a = Conv <pads = [1, 1, 1, 1]> (b, w1, b1) c = LRN <size = 3> (b) "
        "y = Add (a, one) z = Add (c, c)",
        answers="float[N, C, H, W] y, float[N, D, H, W] z",
    )
    found = quantised(model)
    (second,) = [n for n in found.graph if n.op_type == "LRN" and n.outputs[0].name == "c"]
    assert second.inputs[0].name == "b"


def test_a_value_that_is_made_in_integers_is_read_from_8_bits_by_all() -> None:
    found = quantised(network(f"{CONV} b = LRN <size = 3> (a) y = Conv (b, w2, b2)"))
    (norm,) = [node for node in found.graph if node.op_type == "LRN"]
    assert norm.inputs[0].producer().op_type == "DequantizeLinear"


def test_one_scale_for_a_whole_weight_is_written_for_every_channel() -> None:
    found = quantised(network(f"{CONV} y = Relu (a)"), QuantConfig(per_channel=False))
    scales = found.graph.initializers["w1.quantised.scale"].const_value.numpy()
    assert scales.shape == (6,)
    assert len(set(scales.tolist())) == 1


def test_a_channel_of_zeros_keeps_its_bias() -> None:
    weight = np.zeros((2, 3, 1, 1), np.float32)
    weight[1] = 1.0
    bias = np.array([0.7, 0.1], np.float32)
    model = network("[conv] y = Conv (x, w9, b9)", {"w9": weight, "b9": bias})
    found = run(quantised(model))
    np.testing.assert_allclose(found[:, 0], 0.7, atol=0.03)


def test_the_same_numbers_give_the_same_bytes() -> None:
    model = network(f"{CONV} y = Relu (a)")
    assert to_bytes(quantised(model)) == to_bytes(quantised(model))


def test_encodings_of_a_group_hold_the_ranges_of_all_its_sources() -> None:
    plan = make_plan(network(f"{CONV} b = Relu (x) y = Concat <axis = 1> (a, b)").graph)
    found = encode_groups(plan, {"x": Range(-1, 1), "a": Range(-3, 0.5), "b": Range(0, 9)})
    assert found["y"] == found["a"] == found["b"] == encode(Range(-3, 9))


def test_a_constant_with_two_readers_is_dequantised_once() -> None:
    found = quantised(network(f"{CONV} b = Add (a, one) y = Add (b, one)"))
    (only,) = [node for node in found.graph if node.inputs[0].name == "one.quantised"]
    assert len(only.outputs[0].uses()) == 2


def test_a_weight_with_two_readers_is_held_once() -> None:
    found = quantised(network("a = Conv (x, w1, b1) b = Conv (x, w1, b1) y = Add (a, b)"))
    assert sum(name.startswith("w1.quantised") for name in found.graph.initializers) == 3


def test_half_the_range_of_a_clip_is_no_tie() -> None:
    """HardSwish of 0 is the offset alone: engines must not round it to either side."""
    root = np.sqrt(6)
    offset, pair = np.array(3 / root, np.float32), np.array([[[0.5]], [[1]]], np.float32)
    body = "[sum] a = Add (x, offset) [clip] y = Clip (a, zero, six)"
    clipped, free = (
        network(each, {"offset": offset}, reads="float[N, 2, 8, 8] x").graph[0]
        for each in (body, body.replace("Clip (a, zero, six)", "Neg (a)"))
    )
    encoding = encode_operand(clipped, offset)
    (steps,) = encoding.dequantise(encoding.quantise(offset[None])) / (root / 255)
    assert 127.52 < steps < 127.55
    assert encode_operand(clipped, pair).scale == np.float32(1 / 255), "several keep their range"
    assert encode_operand(free, offset).scale == np.float32(offset / 255)
