from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
import torch
from onnx import helper
from torch import nn
from torch.nn import functional
from unit.exporters.gradient.single_operator import Case, assert_pytorchs, assert_slopes
from unit.exporters.gradient.support import GRADIENT, RATE, assert_like, model_of, run_step

from edgecnn_exporters.gradient.optimisers import OptimiserConfig
from edgecnn_exporters.gradient.training_graph import TrainingRequest, training_graph
from edgecnn_runtime.arrays import Array


def frozen(x: tuple[int, ...], is_dynamic: bool = False) -> Case:
    def by_torch(image: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        gamma, beta, *statistics = values
        mean, variance = (each.detach() for each in statistics)
        return functional.batch_norm(image, mean, variance, gamma, beta, eps=1e-3)

    weights = dict.fromkeys(("gamma", "beta", "mean", "variance"), (x[1],))
    attributes = {"epsilon": 1e-3}
    return Case(
        "BatchNormalization", x, by_torch, weights, attributes, is_dynamic, ("mean", "variance")
    )


FROZEN = {
    "of images": frozen((3, 4, 5, 6), is_dynamic=True),
    "of vectors": frozen((7, 4)),
    "of sequences": frozen((3, 4, 5)),
}


@pytest.mark.parametrize("name", FROZEN)
def test_frozen_batch_norms_have_pytorchs_gradients(name: str) -> None:
    assert_pytorchs(FROZEN[name])


def test_a_frozen_batch_norm_has_the_slopes_of_its_loss() -> None:
    assert_slopes(FROZEN["of images"])


class Net(nn.Module):
    """Two convolutions, each with a normalisation; the first's is also used once more."""

    def __init__(self, *, is_shared: bool) -> None:
        super().__init__()
        self.is_shared = is_shared
        self.conv, self.norm = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4, momentum=0.2)
        self.last, self.scale = nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5, eps=1e-2)
        for layer in (self.norm, self.scale):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias)
            nn.init.normal_(layer.running_mean)  # type: ignore[arg-type] # it has one
            nn.init.uniform_(layer.running_var, 0.5, 1.5)  # type: ignore[arg-type] # it has one

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.conv(x)))
        if self.is_shared:
            x = self.norm(x)
        result: torch.Tensor = self.scale(self.last(x))
        return result

    def onnx(self, batch: int | str) -> ir.Model:
        """The same graph, weights named as here."""
        weights = {
            name: value.detach().numpy().copy()
            for name, value in self.state_dict().items()
            if value.ndim
        }
        nodes = [helper.make_node("Conv", ["x", "conv.weight"], ["a"], "conv")]
        nodes += [normalisation("norm", "a", "b", momentum=0.8)]
        nodes += [helper.make_node("Relu", ["b"], ["c"], "relu")]
        if self.is_shared:
            nodes += [normalisation("norm", "c", "d", momentum=0.8)]
        source = "d" if self.is_shared else "c"
        nodes += [helper.make_node("Conv", [source, "last.weight", "last.bias"], ["e"], "last")]
        nodes += [normalisation("scale", "e", "y", epsilon=1e-2)]
        return model_of(nodes, weights, [batch, 3, 9, 8])


def normalisation(name: str, x: str, y: str, **attributes: float):  # type: ignore[no-untyped-def] # a NodeProto
    values = [f"{name}.{each}" for each in ("weight", "bias", "running_mean", "running_var")]
    return helper.make_node("BatchNormalization", [x, *values], [y], f"{name}.{y}", **attributes)


def feeds(seed: int) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    x = 3 * random.standard_normal((4, 3, 9, 8)) + 1
    return x.astype(np.float32), random.standard_normal((4, 5, 5, 4)).astype(np.float32)


def trained(module: Net, x: Array, target: Array, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Gradients in training mode, by name, and the running statistics after it."""
    module = module.to(dtype).train()
    functional.mse_loss(
        module(torch.tensor(x, dtype=dtype)), torch.tensor(target, dtype=dtype)
    ).backward()
    found = {name: each.grad for name, each in module.named_parameters()}
    return {**found, **dict(module.named_buffers())}  # type: ignore[dict-item] # all have one


@pytest.mark.parametrize("batch", [4, "N"])
@pytest.mark.parametrize("is_shared", [False, True])
def test_statistics_of_the_batch_are_pytorchs_training_mode(
    batch: int | str, is_shared: bool
) -> None:
    torch.manual_seed(0)
    model, (x, target) = Net(is_shared=is_shared).onnx(batch), feeds(1)
    request = TrainingRequest("all", "mean_squared_error", GRADIENT, normalisation="batch")
    ours = run_step(
        model, request, {"x": x, "learn.labels": target, "learn.rate": np.array(RATE, np.float32)}
    )
    begin = training_graph(model, request)
    results = []
    for dtype in (torch.float64, torch.float32):
        torch.manual_seed(0)
        results.append(trained(Net(is_shared=is_shared), x, target, dtype))
    for name, old in begin.parameters.items():
        if name == "last.bias":  # before a normalisation: zero but for rounding
            continue
        gradient = (old - ours[f"{name}.next"]) / RATE
        # Sums of 168 terms that cancel: PyTorch's own error is 1e-7 to 1e-5 of the result.
        assert_like(gradient, results[0][name], results[1][name], floor=1e-5)
    for name in begin.statistics:
        assert_like(ours[f"{name}.next"], results[0][name], results[1][name])
    assert sorted(begin.statistics) == [
        "norm.running_mean",
        "norm.running_var",
        "scale.running_mean",
        "scale.running_var",
    ]


def test_statistics_of_the_batch_have_the_slopes_of_their_loss() -> None:
    torch.manual_seed(0)
    model, (x, target) = Net(is_shared=True).onnx("N"), feeds(1)
    request = TrainingRequest("all", "mean_squared_error", GRADIENT, normalisation="batch")
    random = np.random.default_rng(0)

    def step(changes: dict[str, Array]) -> dict[str, Array]:
        given = {"x": x, "learn.labels": target, "learn.rate": np.array(RATE, np.float32)}
        return run_step(model, request, {**given, **changes})

    begin, first = training_graph(model, request).parameters, step({})
    for name in ("conv.weight", "norm.weight", "norm.bias", "last.weight"):
        gradient = (begin[name] - first[f"{name}.next"]) / RATE
        direction = np.sign(random.standard_normal(gradient.shape)).astype(np.float32)
        losses = [
            float(step({name: begin[name] + sign * np.float32(1e-2) * direction})["learn.loss"])
            for sign in (1, -1)
        ]
        slope = (losses[0] - losses[1]) / 2e-2
        assert abs(slope - float((gradient * direction).sum())) <= 1e-2 * np.abs(gradient).sum()


def test_normalisations_before_the_first_learnt_layer_stay_as_they_are() -> None:
    request = TrainingRequest(
        "last.weight", "mean_squared_error", OptimiserConfig("sgd"), normalisation="batch"
    )
    made = training_graph(Net(is_shared=False).onnx("N"), request)
    assert sorted(made.statistics) == ["scale.running_mean", "scale.running_var"]
    norm = next(node for node in made.model.graph if node.name == "norm.b")
    assert [value.name for value in norm.inputs[3:]] == ["norm.running_mean", "norm.running_var"]  # type: ignore[union-attr] # it has all five
