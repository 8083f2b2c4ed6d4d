from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
import torch
from onnx import helper
from unit.exporters.gradient.support import model_of, run_step

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.gradient.optimisers import OptimiserConfig
from edgecnn_exporters.gradient.training_graph import TrainingRequest, training_graph

RANDOM = np.random.default_rng(3)
WEIGHTS = {
    "first.weight": RANDOM.standard_normal((6, 5)).astype(np.float32),
    "first.bias": RANDOM.standard_normal(6).astype(np.float32),
    "head.weight": RANDOM.standard_normal((4, 6)).astype(np.float32),
    "head.bias": RANDOM.standard_normal(4).astype(np.float32),
}
X = RANDOM.standard_normal((7, 5)).astype(np.float32)
LABELS = np.array([0, 3, 1, 1, 2, 0, 3])


def two_layers() -> ir.Model:
    nodes = [
        helper.make_node("Gemm", ["x", "first.weight", "first.bias"], ["a"], "first", transB=1),
        helper.make_node("Relu", ["a"], ["b"], "relu"),
        helper.make_node("Gemm", ["b", "head.weight", "head.bias"], ["y"], "head", transB=1),
    ]
    return model_of(nodes, WEIGHTS, ["N", 5])


def torch_steps(optimiser: str, count: int, **options: float) -> dict[str, np.ndarray]:
    """Parameters after `count` steps of the same network in PyTorch, in float64."""
    tensors = {
        k: torch.tensor(v, dtype=torch.float64, requires_grad=True) for k, v in WEIGHTS.items()
    }
    make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimiser]
    own = make(tensors.values(), lr=0.05, **options)
    for _ in range(count):
        own.zero_grad()
        x = torch.tensor(X, dtype=torch.float64)
        hidden = torch.relu(x @ tensors["first.weight"].T + tensors["first.bias"])
        logits = hidden @ tensors["head.weight"].T + tensors["head.bias"]
        torch.nn.functional.cross_entropy(
            logits, torch.tensor(LABELS), label_smoothing=0.1
        ).backward()
        own.step()
    return {k: v.detach().numpy() for k, v in tensors.items()}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sgd", {"momentum": 0.9, "weight_decay": 0.01}),
        ("sgd", {}),
        ("adam", {"weight_decay": 0.01}),
    ],
)
def test_a_step_is_pytorchs(name: str, options: dict[str, float]) -> None:
    config = OptimiserConfig(name, **options)  # type: ignore[arg-type] # names of optimisers
    request = TrainingRequest("all", "cross_entropy", config, smoothing=0.1)
    feeds = {"x": X, "learn.labels": LABELS, "learn.rate": np.array(0.05, np.float32)}
    ours = run_step(two_layers(), request, feeds)
    for parameter, value in torch_steps(name, 1, **options).items():
        np.testing.assert_allclose(ours[f"{parameter}.next"], value, rtol=0, atol=2e-6)


def test_frozen_layers_get_no_backward_pass() -> None:
    made = training_graph(two_layers(), TrainingRequest("head"))
    assert list(made.parameters) == ["head.weight", "head.bias"]
    assert not [node for node in made.model.graph if str(node.name).startswith("first.gradient")]
    assert "first.weight" in made.model.graph.initializers


def test_an_operator_without_a_rule_is_named_with_what_to_freeze() -> None:
    nodes = [
        helper.make_node("Gemm", ["x", "first.weight", "first.bias"], ["a"], "first", transB=1),
        helper.make_node("Cosh", ["a"], ["b"], "odd"),
        helper.make_node("Gemm", ["b", "head.weight", "head.bias"], ["y"], "head", transB=1),
    ]
    model = model_of(nodes, WEIGHTS, ["N", 5])
    with pytest.raises(UnsupportedModel, match=r"odd \(Cosh\).*--learn head"):
        training_graph(model, TrainingRequest("all"))


def test_a_parameter_that_is_not_there_lists_near_ones() -> None:
    with pytest.raises(UnsupportedModel, match=r"heat\.weight.*head\.weight"):
        training_graph(two_layers(), TrainingRequest("heat.weight"))
