from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.kernels import find_deviations
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.ladder import quantise

STEP = 0.00392157
SAMPLES = list(np.random.default_rng(0).uniform(0, 1, (16, 1, 3, 8, 8)).astype(np.float32))


def pooled(rounding: str) -> ir.Model:
    """A Conv that hands on its input, and an AveragePool, in 8 bits.

    With ``ceil_mode`` the last windows reach over the edge.
    """
    proto = onnx.parser.parse_model(
        f"""<ir_version: 10, opset_import: ["": 20]>
        g (float[N, 3, 9, 9] x) => (float[N, 3, h, w] y)
        <float s = {{{STEP}}}, uint8 z = {{0}}, int8[3, 3, 1, 1] w = {{1, 0, 0, 0, 1, 0, 0, 0, 1}},
         float[3] one = {{1.0, 1.0, 1.0}}, int8[3] none = {{0, 0, 0}}> {{
        q = QuantizeLinear (x, s, z) d = DequantizeLinear (q, s, z)
        v = DequantizeLinear <axis = 0> (w, one, none) c = Conv (d, v)
        cq = QuantizeLinear (c, s, z) e = DequantizeLinear (cq, s, z)
        [pool] a = AveragePool <kernel_shape = [2, 2], strides = [2, 2] {rounding}> (e)
        held = QuantizeLinear (a, s, z) y = DequantizeLinear (held, s, z) }}"""
    )
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto))


def test_a_kernel_that_divides_by_the_wrong_number_is_named() -> None:
    """ONNX Runtime 1.32 divides sums of edge windows by four, though they are of two or one."""
    model = pooled(", ceil_mode = 1, count_include_pad = 1")
    images = list(np.random.default_rng(1).uniform(0, 1, (2, 1, 3, 9, 9)).astype(np.float32))
    right, kernel = (
        np.concatenate([ValueProbe(model, kernels=own).run(image)["y"] for image in images])
        for own in (False, True)
    )
    edges = [image[:, :, 8, 8] for image in images]
    np.testing.assert_allclose(right[:, :, 4, 4], np.concatenate(edges), atol=0.51 * STEP)
    (found,) = find_deviations(model, images)
    assert (found.node, found.operator) == ("pool", "AveragePool")
    assert found.steps == round(np.abs(right - kernel).max() / STEP)


def test_kernels_that_only_round_are_not_named() -> None:
    assert not find_deviations(pooled(""), [np.ones((1, 3, 9, 9), np.float32) / 3])


def test_what_a_probe_computes_is_what_the_graph_says() -> None:
    body = """[one] a = Conv <pads = [1, 1, 1, 1]> (x, w1, b1) [act] b = Relu (a)
     [pool] c = MaxPool <kernel_shape = [2, 2]> (b) [two] y = Conv (c, even, b2)"""
    even = np.random.default_rng(2).standard_normal((5, 6, 1, 1)).astype(np.float32)
    found = quantise(network(body, {"even": even}), SAMPLES, QuantConfig("fast", "min-max"))
    assert not found.notes
    reference = ReferenceEvaluator(onnx.load_from_string(to_bytes(found.model)))
    (expected,) = reference.run(None, {"x": SAMPLES[0]})
    answer = ValueProbe(found.model).run(SAMPLES[0])["y"]
    step = found.state.numbers.activations["y"].scale
    assert np.abs(answer - expected).max() <= 1.01 * step
    assert np.mean(np.abs(answer - expected) > 0.5 * step) < 0.02


@pytest.mark.parametrize("per_channel", [True, False])
def test_every_weight_has_one_scale_a_channel(per_channel: bool) -> None:
    """ONNX Runtime 1.32 computes an integer Conv with a single one in float."""
    body = "[one] a = Conv <pads = [1, 1, 1, 1]> (x, w1, b1) [act] b = Relu (a) y = Conv (b, w2)"
    config = QuantConfig("fast", "min-max", per_channel=per_channel)
    graph = quantise(network(body), SAMPLES, config).model.graph
    scales = {
        node.name: node.inputs[1].const_value.numpy()
        for node in graph
        if node.op_type == "DequantizeLinear" and node.inputs[0].const_value is not None
    }
    lengths = {name: len(scale) for name, scale in scales.items()}
    assert lengths["w1.quantised.dequantised"] == lengths["b1.quantised.dequantised"] == 6
    assert bool(np.ptp(scales["w1.quantised.dequantised"])) is per_channel
