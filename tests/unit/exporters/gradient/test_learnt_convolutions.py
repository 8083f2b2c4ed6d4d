from __future__ import annotations

from collections import Counter

import numpy as np
import onnx_ir as ir
import pytest
from onnx import helper
from unit.exporters.gradient.support import model_of

from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.gradient.learnt_convolutions import suit_learnt_convolutions
from edgecnn_exporters.passes.shapes import InferShapes

RANDOM = np.random.default_rng(2)


def one(
    x: tuple[int | str, ...], weight: tuple[int, ...], group: int = 1, strides: int = 1
) -> ir.Model:
    weights = {
        "weight": RANDOM.standard_normal(weight).astype(np.float32),
        "bias": RANDOM.standard_normal(weight[0]).astype(np.float32),
    }
    pads = [weight[2] // 2] * 4
    attributes = {"pads": pads, "group": group, "strides": [strides] * 2}
    node = helper.make_node("Conv", ["x", "weight", "bias"], ["y"], "conv", **attributes)
    return model_of([node], weights, x)


def operators(model: ir.Model, *learnt: str) -> Counter[str]:
    graph = model.graph
    parameters = [graph.initializers[name] for name in learnt]
    suit_learnt_convolutions(graph, parameters, Emitter(graph))
    return Counter(node.op_type for node in graph)


def test_depthwise_ones_on_few_pixels_are_a_matrix_product() -> None:
    changed = operators(one(("N", 4, 8, 8), (4, 1, 5, 5), 4, 2), "weight")
    assert changed["MatMul"] == 2
    assert "Conv" not in changed


@pytest.mark.parametrize(
    "model",
    [
        one(("N", 4, 8, 8), (4, 4, 3, 3)),
        one(("N", 4, 8, 8), (4, 4, 3, 3), strides=2),
        one(("N", 4, 8, 8), (4, 4, 1, 1)),
        one(("N", 4, 16, 16), (4, 1, 3, 3), 4),
    ],
    ids=["of all channels", "strided", "pointwise", "depthwise on many pixels"],
)
def test_other_convolutions_stay(model: ir.Model) -> None:
    assert operators(model, "weight") == Counter(Conv=1)


def test_the_output_keeps_its_name() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "weight"], ["a"], "conv", pads=[1] * 4, group=4),
        helper.make_node("Relu", ["a"], ["y"], "relu"),
    ]
    weight = RANDOM.standard_normal((4, 1, 3, 3)).astype(np.float32)
    model = model_of(nodes, {"weight": weight}, ["N", 4, 8, 8])
    assert operators(model, "weight")["MatMul"] == 2
    assert model.graph[-1].inputs[0] is not None
    assert model.graph[-1].inputs[0].name == "a"


def test_a_convolution_whose_weight_is_constant_stays() -> None:
    assert operators(one(("N", 4, 8, 8), (4, 1, 3, 3), 4), "bias") == Counter(Conv=1)


def test_a_rewritten_convolution_computes_the_same() -> None:
    import onnxruntime

    model = one(("N", 4, 8, 8), (4, 1, 5, 5), 4)
    x = RANDOM.standard_normal((3, 4, 8, 8)).astype(np.float32)

    def run() -> np.ndarray:
        content = ir.to_proto(model).SerializeToString()
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        result: np.ndarray = session.run(["y"], {"x": x})[0]
        return result

    before = run()
    assert "Conv" not in operators(model, "weight")
    InferShapes()(model)
    np.testing.assert_allclose(run(), before, rtol=0, atol=1e-5)
