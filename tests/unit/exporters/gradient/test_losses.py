from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
import torch
from onnx import helper
from torch.nn import functional as f
from unit.exporters.gradient.support import GRADIENT, RATE, assert_near, model_of, run_step

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.gradient.training_graph import TrainingRequest, training_graph
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.training import Loss

RANDOM = np.random.default_rng(4)
WEIGHTS = {
    "head.weight": RANDOM.standard_normal((4, 5)).astype(np.float32),
    "head.bias": RANDOM.standard_normal(4).astype(np.float32),
}
X = RANDOM.standard_normal((6, 5)).astype(np.float32)
CLASSES = np.array([0, 3, 1, 1, 2, 0])
VALUES = RANDOM.standard_normal((6, 4)).astype(np.float32)
SHARES = RANDOM.random((6, 4)).astype(np.float32)

TorchLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def smoothed(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return f.cross_entropy(z, t, label_smoothing=0.2)


def squared_shares(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return f.mse_loss(torch.softmax(z, 1), t)


def squared_gates(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return f.mse_loss(torch.sigmoid(z), t)


def network(last: str | None) -> ir.Model:
    """A Gemm, and an activation behind it."""
    name = "y" if last is None else "z"
    nodes = [helper.make_node("Gemm", ["x", *WEIGHTS], [name], "head", transB=1)]
    if last is not None:
        nodes.append(helper.make_node(last, ["z"], ["y"], "last"))
    return model_of(nodes, WEIGHTS, ["N", 5])


def by_torch(
    loss: TorchLoss, x: Array, labels: Array, dtype: torch.dtype
) -> tuple[float, dict[str, Array]]:
    """Loss of the logits, and the gradients."""
    tensors = {k: torch.tensor(v, dtype=dtype, requires_grad=True) for k, v in WEIGHTS.items()}
    z = f.linear(torch.tensor(x, dtype=dtype), *tensors.values())
    target = torch.tensor(labels)
    value = loss(z, target if target.dtype == torch.int64 else target.to(dtype))
    value.backward()
    return value.item(), {k: each.grad.numpy() for k, each in tensors.items()}  # type: ignore[union-attr] # all lead to the loss


def ours(request: TrainingRequest, last: str | None, x: Array, labels: Array) -> dict[str, Any]:
    feeds = {"x": x, "learn.labels": labels, "learn.rate": np.array(RATE, np.float32)}
    return run_step(network(last), request, feeds)


@pytest.mark.parametrize(
    ("name", "last", "smoothing", "labels", "loss"),
    [
        ("cross_entropy", None, 0.0, CLASSES, f.cross_entropy),
        ("cross_entropy", None, 0.2, CLASSES, smoothed),
        ("cross_entropy", "Softmax", 0.0, CLASSES, f.cross_entropy),
        ("cross_entropy", "LogSoftmax", 0.2, CLASSES, smoothed),
        ("mean_squared_error", None, 0.0, VALUES, f.mse_loss),
        ("mean_squared_error", "Softmax", 0.0, SHARES, squared_shares),
        ("mean_squared_error", "Sigmoid", 0.0, SHARES, squared_gates),
        ("binary_cross_entropy", None, 0.0, SHARES, f.binary_cross_entropy_with_logits),
        ("binary_cross_entropy", "Sigmoid", 0.0, SHARES, f.binary_cross_entropy_with_logits),
    ],
)
def test_a_loss_and_its_gradient_are_pytorchs(
    name: Loss, last: str | None, smoothing: float, labels: Array, loss: TorchLoss
) -> None:
    request = TrainingRequest("all", name, GRADIENT, smoothing)
    for count in (6, 1):
        x, target = X[:count], labels[:count]
        made = ours(request, last, x, target)
        value, exact = by_torch(loss, x, target, torch.float64)
        _, single = by_torch(loss, x, target, torch.float32)
        assert made["learn.loss"] == pytest.approx(value, rel=1e-6)
        for parameter, truth in exact.items():
            change = (WEIGHTS[parameter] - made[f"{parameter}.next"]) / RATE
            assert_near(change, truth, single[parameter])
        length = np.sqrt(sum(np.square(each).sum() for each in exact.values()))
        assert made["learn.gradient_norm"] == pytest.approx(length, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "labels", "loss"),
    [
        ("cross_entropy", CLASSES, f.cross_entropy),
        ("binary_cross_entropy", SHARES, f.binary_cross_entropy_with_logits),
    ],
)
def test_large_logits_keep_a_loss_finite(name: Loss, labels: Array, loss: TorchLoss) -> None:
    x = X * np.float32(1e4)
    made = ours(TrainingRequest("all", name, GRADIENT), None, x, labels)
    value, exact = by_torch(loss, x, labels, torch.float64)
    assert made["learn.loss"] == pytest.approx(value, rel=1e-6)
    change = (WEIGHTS["head.weight"] - made["head.weight.next"]) / RATE
    np.testing.assert_allclose(change, exact["head.weight"], rtol=1e-5, atol=1e-2)


def test_the_networks_answer_leaves_the_step_as_it_was_before() -> None:
    made = ours(TrainingRequest("all", "cross_entropy", GRADIENT), "Softmax", X, CLASSES)
    z = X @ WEIGHTS["head.weight"].T + WEIGHTS["head.bias"]
    expected = torch.softmax(torch.tensor(z), 1).numpy()
    np.testing.assert_allclose(made["y"], expected, rtol=1e-5)


def test_cross_entropy_of_images_is_refused_with_other_losses() -> None:
    nodes = [helper.make_node("PRelu", ["x", "slope"], ["y"], "node")]
    model = model_of(nodes, {"slope": np.ones(2, np.float32)}, ["N", 3, 2])
    with pytest.raises(UnsupportedModel, match="mean_squared_error"):
        training_graph(model, TrainingRequest("all"))
