from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper
from unit.exporters.gradient.support import gradients_of, model_of

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.gradient.training_graph import TrainingRequest, training_graph

RANDOM = np.random.default_rng(8)
SHIFT = RANDOM.standard_normal((1, 4)).astype(np.float32)
X = RANDOM.standard_normal((3, 4)).astype(np.float32)
TARGET = RANDOM.standard_normal((3, 4)).astype(np.float32)


def model(*nodes: tuple[str, list[str], str], **attributes: int) -> ir.Model:
    """Nodes behind ``a = x + shift``; the attributes are of Cast nodes, by their outputs."""
    made = [helper.make_node("Add", ["x", "shift"], ["a"], "add")]
    for operator, operands, output in nodes:
        own = {"to": attributes[output]} if operator == "Cast" else {}
        made.append(helper.make_node(operator, operands, [output], output, **own))
    return model_of(made, {"shift": SHIFT}, ["N", 4])


def test_a_value_that_is_read_twice_gets_both_gradients() -> None:
    both = model(("Tanh", ["a"], "b"), ("Mul", ["a", "b"], "y"))
    _, made = gradients_of(both, "all", X, TARGET)
    a = X.astype(np.float64) + SHIFT
    upstream = 2 * (a * np.tanh(a) - TARGET) / TARGET.size
    slope = np.tanh(a) + a * (1 - np.tanh(a) ** 2)
    expected = (upstream * slope).sum(0, keepdims=True)
    np.testing.assert_allclose(made["shift"], expected, rtol=1e-5, atol=1e-6)


def test_a_square_as_a_product_with_itself_gets_both_gradients() -> None:
    _, made = gradients_of(model(("Mul", ["a", "a"], "y")), "all", X, TARGET)
    a = X.astype(np.float64) + SHIFT
    upstream = 2 * (a * a - TARGET) / TARGET.size
    expected = (upstream * 2 * a).sum(0, keepdims=True)
    np.testing.assert_allclose(made["shift"], expected, rtol=1e-5, atol=1e-6)


def test_what_is_computed_in_double_precision_is_differentiated_in_it() -> None:
    double = model(
        ("Cast", ["a"], "wide"),
        ("Sigmoid", ["wide"], "b"),
        ("Relu", ["b"], "c"),
        ("Cast", ["c"], "y"),
        wide=TensorProto.DOUBLE,
        y=TensorProto.FLOAT,
    )
    _, made = gradients_of(double, "all", X, TARGET)
    gate = 1 / (1 + np.exp(-(X.astype(np.float64) + SHIFT)))
    upstream = 2 * (gate - TARGET) / TARGET.size
    expected = (upstream * gate * (1 - gate)).sum(0, keepdims=True)
    np.testing.assert_allclose(made["shift"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "nodes",
    [
        [("Cast", ["a"], "whole"), ("Cast", ["whole"], "y")],
        [("Round", ["a"], "y")],
    ],
    ids=["integers", "rounding"],
)
def test_what_changes_in_jumps_leaves_nothing_to_learn(
    nodes: list[tuple[str, list[str], str]],
) -> None:
    jumps = model(*nodes, whole=TensorProto.INT32, y=TensorProto.FLOAT)
    with pytest.raises(UnsupportedModel, match="shift does not change"):
        training_graph(jumps, TrainingRequest("all", "mean_squared_error"))


@pytest.mark.parametrize(
    ("nodes", "way"),
    [
        ([("ReduceProd", ["a"], "b"), ("Add", ["b", "shift"], "y")], "--learn head"),
        ([("ReduceProd", ["a"], "y")], "No layer with weights is behind it"),
    ],
    ids=["layers behind it", "none behind it"],
)
def test_a_refused_operator_says_why_and_what_to_freeze(
    nodes: list[tuple[str, list[str], str]], way: str
) -> None:
    with pytest.raises(UnsupportedModel, match=rf"\(ReduceProd\).*zero.*{way}"):
        training_graph(model(*nodes), TrainingRequest("all", "mean_squared_error"))
