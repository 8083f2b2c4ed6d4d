from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx import helper
from unit.exporters.gradient.support import GRADIENT, RATE, model_of, run_step

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.gradient.training_graph import TrainingRequest, training_graph

RANDOM = np.random.default_rng(9)
WEIGHT = RANDOM.standard_normal((6, 5)).astype(np.float32)
HEAD = RANDOM.standard_normal((4, 6)).astype(np.float32)
X = RANDOM.standard_normal((7, 5)).astype(np.float32)
TARGET = RANDOM.standard_normal((7, 4)).astype(np.float32)
REQUEST = TrainingRequest("all", "mean_squared_error", GRADIENT)


def dropping(ratio: float | None, outputs: tuple[str, ...] = ("b",)) -> ir.Model:
    constants = {} if ratio is None else {"ratio": np.array(ratio, np.float32)}
    operands = ["a"] if ratio is None else ["a", "ratio"]
    nodes = [
        helper.make_node("Gemm", ["x", "weight"], ["a"], "first", transB=1),
        helper.make_node("Dropout", operands, outputs, "drop"),
        helper.make_node("Gemm", ["b", "head"], ["y"], "head", transB=1),
    ]
    return model_of(nodes, {"weight": WEIGHT, "head": HEAD, **constants}, ["N", 5])


@pytest.mark.parametrize("ratio", [0.3, None, 1.0])
def test_what_is_dropped_is_dropped_in_the_gradient(ratio: float | None) -> None:
    random = RANDOM.random((7, 6)).astype(np.float32)
    rate = np.array(RATE, np.float32)
    feeds = {"x": X, "learn.labels": TARGET, "learn.rate": rate, "b.random": random}
    made = run_step(dropping(ratio), REQUEST, feeds)
    share = 0.5 if ratio is None else ratio
    mask = (random > np.float32(share)) / (1.0 - share if share < 1 else 1.0)
    hidden = (X.astype(np.float64) @ WEIGHT.T) * mask
    difference = hidden @ HEAD.T - TARGET
    upstream = 2 * difference / difference.size
    assert made["learn.loss"] == pytest.approx(np.mean(difference**2), rel=1e-6)
    expected = {"weight": ((upstream @ HEAD) * mask).T @ X, "head": upstream.T @ hidden}
    for name, begin in (("weight", WEIGHT), ("head", HEAD)):
        ours = (begin - made[f"{name}.next"]) / RATE
        np.testing.assert_allclose(ours, expected[name], rtol=1e-5, atol=2e-6)


def test_random_inputs_are_listed_with_the_batch_left_open() -> None:
    (random,) = training_graph(dropping(0.3), REQUEST).random
    assert random.name == "b.random"
    assert random.shape is not None
    assert isinstance(random.shape[0], ir.SymbolicDim)
    assert random.shape[1] == 6


def test_a_dropout_of_nothing_draws_nothing() -> None:
    made = training_graph(dropping(0.0), REQUEST)
    assert made.random == ()
    assert "b.random" not in {value.name for value in made.model.graph.inputs}


def test_a_mask_that_is_read_is_refused() -> None:
    model = dropping(0.3, ("b", "mask"))
    model.graph.outputs.append(model.graph.node(1).outputs[1])
    with pytest.raises(UnsupportedModel, match="mask is read"):
        training_graph(model, REQUEST)
