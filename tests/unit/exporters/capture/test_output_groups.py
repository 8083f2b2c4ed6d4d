"""The full scale of an output follows from the graph that makes it."""

from __future__ import annotations

import numpy as np
import onnx.parser
import onnx_ir as ir
import pytest

from edgecnn_exporters.capture.output_groups import Channels, full_scale, output_groups
from edgecnn_runtime.parity.difference import Answer


def graph(body: str, size: str = "N, 4, 8, 8") -> ir.Model:
    text = f"""
    <ir_version: 9, opset_import: ["": 18]>
    net (float[{size}] x) => (float[{size}] y)
    <float k = {{640.0}}, float two = {{2.0}}>
    {{ {body} }}
    """
    model = onnx.parser.parse_model(text)
    return ir.from_proto(onnx.shape_inference.infer_shapes(model))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("y = Sigmoid (x)", 1.0),
        ("s = Sigmoid (x) y = Mul (s, k)", 640.0),
        ("s = HardSigmoid (x) t = Mul (k, s) y = Mul (t, two)", 1280.0),
        ("y = Softmax <axis = 1> (x)", 0.25),
        ("s = Tanh (x) y = MaxPool <kernel_shape = [1, 1]> (s)", 1.0),
        ("y = Relu (x)", None),
        ("s = Sigmoid (x) y = Mul (s, x)", None),
    ],
)
def test_the_bound_of_a_graph_is_found(body: str, expected: float | None) -> None:
    assert full_scale(graph(body).graph.outputs[0]) == expected


def test_each_part_of_a_concat_has_its_own() -> None:
    body = "s = Sigmoid (x) b = Relu (x) y = Concat <axis = 1> (b, s)"
    output = graph(body).graph.outputs[0]
    assert full_scale(output, Channels(1, frozenset({0, 3}))) is None
    assert full_scale(output, Channels(1, frozenset({4, 7}))) == 1.0
    assert full_scale(output) is None


def test_it_is_noted_with_the_groups() -> None:
    reference = np.random.default_rng(0).uniform(0, 1, (1, 4, 8, 8))
    groups = output_groups(graph("y = Sigmoid (x)"), [Answer("y", reference, reference)])
    assert [group.full_scale for group in groups["y"]] == [1.0]


def test_scores_are_one_group_whichever_classes_are_in_the_pictures() -> None:
    body = "s = Sigmoid (x) b = Mul (x, k) y = Concat <axis = 1> (b, s)"
    random = np.random.default_rng(0)
    sizes = np.array([640, 640, 640, 640, 0.9, 1e-3, 0.8, 1e-5]).reshape(1, 8, 1, 1)
    reference = random.uniform(0, 1, (2, 8, 8, 8)) * sizes
    boxes, scores = output_groups(graph(body), [Answer("y", reference, reference)])["y"]
    assert (boxes.channels, boxes.full_scale) == (((0, 4),), None)
    assert (scores.channels, scores.full_scale) == (((4, 8),), 1.0)
