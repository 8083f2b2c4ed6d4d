"""A network of many kinds of layers that learns for twenty steps, beside PyTorch's own training."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from onnx import helper
from torch import nn
from torch.nn import functional as f
from unit.exporters.gradient.support import model_of

from edgecnn_exporters.gradient.optimisers import OptimiserConfig
from edgecnn_exporters.gradient.training_graph import TrainingGraph, TrainingRequest, training_graph
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.training import NEXT

STEPS = 20
SIZES = (3, 5)
SHUFFLE = np.array([0, 3, 1, 4, 2, 5])


class Network(nn.Module):
    """Convolution, shuffle, instance norm, gate, pool, upsampling, slices, layer norm, linear."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 6, 3, padding=1)
        self.norm = nn.InstanceNorm2d(6, affine=True)
        self.gate = nn.Conv2d(6, 6, 1)
        self.slope = nn.Parameter(torch.full((6, 1, 1), 0.25))
        self.layer = nn.LayerNorm(6)
        self.head = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.conv(x)[:, SHUFFLE])
        pooled = x.mean((2, 3), keepdim=True)
        x = x * torch.sigmoid(self.gate(pooled))
        x = torch.where(x >= 0, x, self.slope * x)
        x = f.interpolate(f.avg_pool2d(x, 2), scale_factor=2, mode="bilinear") + x
        x = torch.cat([x[:, :, ::2, ::2], f.gelu(x[:, :, 1::2, 1::2])], 3)
        answer: torch.Tensor = self.head(self.layer(x.mean((2, 3))))
        return answer


def network() -> Network:
    torch.manual_seed(3)
    made = Network()
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.5)
    return made


def graph_of(module: nn.Module) -> ir.Model:
    """The same network as ONNX; GELU as opset 18 has it."""
    weights: dict[str, Array] = {k: v.numpy() for k, v in module.state_dict().items()}
    integers: dict[str, Any] = {
        "shuffle": SHUFFLE,
        "pixels": [2, 3],
        "even": [0, 0],
        "odd": [1, 1],
        "end": [2**31, 2**31],
        "two": [2, 2],
    }
    numbers = {"scales": [1, 1, 2, 2], "root": 0.5**0.5, "one": 1.0, "half": 0.5}
    constants = {k: np.array(v, np.int64) for k, v in integers.items()}
    constants |= {k: np.array(v, np.float32) for k, v in numbers.items()}
    make = helper.make_node
    nodes = [
        make("Conv", ["x", "conv.weight", "conv.bias"], ["c"], "conv", pads=[1, 1, 1, 1]),
        make("Gather", ["c", "shuffle"], ["s"], "shuffle", axis=1),
        make("InstanceNormalization", ["s", "norm.weight", "norm.bias"], ["n"], "norm"),
        make("ReduceMean", ["n", "pixels"], ["p"], "squeeze"),
        make("Conv", ["p", "gate.weight", "gate.bias"], ["g"], "gate"),
        make("Sigmoid", ["g"], ["q"], "sigmoid"),
        make("Mul", ["n", "q"], ["m"], "excite"),
        make("PRelu", ["m", "slope"], ["r"], "prelu"),
        make("AveragePool", ["r"], ["a"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        make("Resize", ["a", "", "scales"], ["u"], "up", mode="linear"),
        make("Add", ["u", "r"], ["d"], "add"),
        make("Slice", ["d", "even", "end", "pixels", "two"], ["e"], "even"),
        make("Slice", ["d", "odd", "end", "pixels", "two"], ["o"], "odd"),
        make("Mul", ["o", "root"], ["o1"], "gelu.scale"),
        make("Erf", ["o1"], ["o2"], "gelu.erf"),
        make("Add", ["o2", "one"], ["o3"], "gelu.add"),
        make("Mul", ["o", "o3"], ["o4"], "gelu.mul"),
        make("Mul", ["o4", "half"], ["o5"], "gelu.half"),
        make("Concat", ["e", "o5"], ["j"], "join", axis=3),
        make("ReduceMean", ["j", "pixels"], ["f"], "mean", keepdims=0),
        make("LayerNormalization", ["f", "layer.weight", "layer.bias"], ["l"], "layer"),
        make("Gemm", ["l", "head.weight", "head.bias"], ["y"], "head", transB=1),
    ]
    return model_of(nodes, {**weights, **constants}, ["N", 2, 6, 6])


def batches() -> list[tuple[Array, Array]]:
    """Images and labels of every step, of two sizes in turn."""
    random = np.random.default_rng(2)
    counts = [SIZES[step % 2] for step in range(STEPS)]
    return [
        (random.standard_normal((n, 2, 6, 6)).astype(np.float32), random.integers(0, 4, n))
        for n in counts
    ]


def learn_onnx(made: TrainingGraph, rate: float) -> tuple[list[float], dict[str, Array]]:
    """Loss of every step, and the parameters after the last."""
    proto = ir.to_proto(made.model)
    onnx.checker.check_model(proto, full_check=True)
    content = proto.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    held: dict[str, Any] = dict(made.parameters)
    for value in made.state:
        held[str(value.name)] = np.zeros(value.shape.numpy(), value.dtype.numpy())  # type: ignore[union-attr] # made with both
    names = ["learn.loss", *(f"{name}{NEXT}" for name in held)]
    losses = []
    for x, labels in batches():
        feeds = {"x": x, "learn.labels": labels, "learn.rate": np.array(rate, np.float32)}
        loss, *following = session.run(names, {**held, **feeds})
        held = dict(zip(held, following, strict=True))
        losses.append(float(loss))
    return losses, {name: held[name] for name in made.parameters}


def learn_torch(optimiser: str, dtype: torch.dtype, **options: float) -> Any:
    """As `learn_onnx`, by PyTorch."""
    module = network().to(dtype)
    own = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimiser](
        module.parameters(), **options
    )
    losses = []
    for x, labels in batches():
        own.zero_grad()
        answers = module(torch.tensor(x, dtype=dtype))
        loss = f.cross_entropy(answers, torch.tensor(labels), label_smoothing=0.1)
        loss.backward()
        own.step()
        losses.append(loss.item())
    return losses, {k: v.detach().numpy() for k, v in module.named_parameters()}


@pytest.mark.parametrize(
    ("name", "rate", "options"),
    [
        ("sgd", 0.05, {"momentum": 0.9, "weight_decay": 0.01}),
        ("sgd", 0.1, {}),
        ("adam", 0.01, {"weight_decay": 0.01}),
    ],
    ids=["momentum", "plain", "adam"],
)
def test_twenty_steps_are_pytorchs(name: str, rate: float, options: dict[str, float]) -> None:
    config = OptimiserConfig(name, **options)  # type: ignore[arg-type] # names of optimisers
    request = TrainingRequest("all", "cross_entropy", config, smoothing=0.1)
    losses, ours = learn_onnx(training_graph(graph_of(network()), request), rate)
    exact_losses, exact = learn_torch(name, torch.float64, lr=rate, **options)
    _, single = learn_torch(name, torch.float32, lr=rate, **options)
    np.testing.assert_allclose(losses, exact_losses, rtol=1e-4)
    assert set(ours) == set(exact)
    error, own = (
        max(float(np.abs(made[k] - exact[k]).max()) for k in exact) for made in (ours, single)
    )
    assert error <= max(3 * own, 1e-6)


def test_onnx_runtime_has_nothing_to_warn_of(capfd: pytest.CaptureFixture[str]) -> None:
    made = training_graph(graph_of(network()), TrainingRequest("all"))
    learn_onnx(made, 0.01)
    assert capfd.readouterr().err == ""
