"""Agreement of a training graph with PyTorch's autograd: gradients, and parameters after steps.

Errors are Euclidean norms against PyTorch in float64. PyTorch's own are the larger of two runs in
float32 that differ in the order of additions alone, with the images in reverse order. A rounding
may put a pixel on the other side of a ReLU's bend, which changes every gradient before it by far
more than a rounding; whom it happens to is chance, and in MobileNetV2 it happens to both in most
batches. So gradients are compared on five batches, the least error with the least and the largest
with the largest: an error of a rule makes both larger.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
import torch

from benchmarks.training.networks import CLASSES, Small
from benchmarks.training.runners import GraphStep, TorchStep
from edgecnn_exporters.gradient.optimisers import OptimiserConfig
from edgecnn_exporters.gradient.training_graph import TrainingGraph, TrainingRequest, training_graph
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.training import MOMENTUM, Optimiser

STEPS, FEW_STEPS, BATCHES = 20, 2, 5
RATES: Mapping[Optimiser, float] = {"sgd": 0.01, "adam": 0.001}
# Of a parameter's gradient: a few roundings of float32 (6e-8), below which errors are luck.
FLOOR = 1e-6
# Of all gradients together: a bias before a normalisation has the gradient 0, and in float32 the
# rounding of sums as large as the others.
FLOOR_OF_ALL = 1e-8


@dataclass(frozen=True)
class Errors:
    """Errors against PyTorch in float64, of each batch.

    Attributes:
        ours: of the training graph.
        theirs: of PyTorch in float32, the larger of two runs.
        size: norm of the exact value, the median.
    """

    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    size: float

    def ratio(self, least: float) -> float:
        """Our error by theirs, or by a least one that counts: of the least or the largest."""
        return min(of(self.ours) / max(of(self.theirs), least, 1e-300) for of in (min, max))


@dataclass(frozen=True)
class Agreement:
    """Agreement of one network's training graph.

    Attributes:
        loss: of the first step.
        gradients: of the first step, by parameter.
        steps: of all parameters together after `STEPS` steps, by optimiser.
    """

    loss: Errors
    gradients: Mapping[str, Errors]
    steps: Mapping[Optimiser, Errors]

    def worst_gradient(self) -> tuple[str, float]:
        """The parameter with the largest ratio of our error to theirs, and that ratio."""
        return max(self.ratios().items(), key=lambda item: item[1])

    def share_within(self, limit: float) -> float:
        """Share of the parameters whose ratio is within a limit."""
        return float(np.mean([ratio <= limit for ratio in self.ratios().values()]))

    def ratios(self) -> dict[str, float]:
        """Ratio of our error to theirs, by parameter."""
        whole = float(np.sqrt(sum(each.size**2 for each in self.gradients.values())))
        return {
            name: each.ratio(max(FLOOR * each.size, FLOOR_OF_ALL * whole))
            for name, each in self.gradients.items()
        }


def loss_ratio(result: Agreement) -> float:
    """Our error of the loss by theirs, or by the rounding of a few float32 additions."""
    return result.loss.ratio(5e-7 * result.loss.size)


def agreement(network: Small, graph: ir.Model, batch: int, steps: int = STEPS) -> Agreement:
    """Compare the gradients on `BATCHES` batches, and the parameters after steps on the first.

    Args:
        graph: canonical for training, as `network.graph` makes it.
    """
    random, examples = np.random.default_rng(1), network.examples(BATCHES * batch)
    batches = [
        (np.ascontiguousarray(x), random.integers(0, CLASSES, batch))
        for x in np.split(examples, BATCHES)
    ]
    graphs = {name: _made(graph, name) for name in RATES}
    firsts = [_firsts(network, graphs["sgd"], *each) for each in batches]
    losses, gradients = [loss for loss, _ in firsts], [each for _, each in firsts]
    return Agreement(
        _joined(losses),
        {name: _joined([each[name] for each in gradients]) for name in gradients[0]},
        {name: _after(network, made, name, steps, *batches[0]) for name, made in graphs.items()},
    )


def _firsts(
    network: Small, made: TrainingGraph, x: Float32, labels: Array
) -> tuple[Errors, dict[str, Errors]]:
    """Errors of the loss and of each gradient at the beginning, of a graph of SGD with momentum."""
    runs = [run.gradients() for run in _torch_runs(network, "sgd", x, labels)]
    ours = GraphStep(made, x, labels, 1)
    loss, now = ours.step(), ours.values()
    # From zero, the momentum after the first step is the gradient.
    return _errors(np.array(loss), *(np.array(each) for each, _ in runs)), {
        name: _errors(now[f"{name}{MOMENTUM}"], *(each[name] for _, each in runs))
        for name in made.parameters
    }


def _after(
    network: Small,
    made: TrainingGraph,
    optimiser: Optimiser,
    steps: int,
    x: Float32,
    labels: Array,
) -> Errors:
    """Errors of all parameters together after some steps."""
    names = sorted(made.parameters)
    ours = GraphStep(made, x, labels, 1, RATES[optimiser])
    runs = _torch_runs(network, optimiser, x, labels)
    for _ in range(steps):
        ours.step()
        for run in runs:
            run.step()
    now = ours.values()
    theirs = [
        np.concatenate([run.parameters()[name].reshape(-1) for name in names]) for run in runs
    ]
    return _errors(np.concatenate([now[name].reshape(-1) for name in names]), *theirs)


def _torch_runs(
    network: Small, optimiser: Optimiser, x: Float32, labels: Array
) -> tuple[TorchStep, TorchStep, TorchStep]:
    """In float64, in float32, and in float32 with the images in reverse order."""
    reverse = np.ascontiguousarray(x[::-1]), np.ascontiguousarray(labels[::-1])
    return (
        _torch_run(network, optimiser, torch.float64, x, labels),
        _torch_run(network, optimiser, torch.float32, x, labels),
        _torch_run(network, optimiser, torch.float32, *reverse),
    )


def _torch_run(
    network: Small, optimiser: Optimiser, dtype: torch.dtype, x: Float32, labels: Array
) -> TorchStep:
    module = copy.deepcopy(network.module).to(dtype)
    if optimiser == "sgd":
        return TorchStep(
            module,
            torch.optim.SGD(module.parameters(), lr=RATES["sgd"], momentum=0.9),
            x,
            labels,
        )
    return TorchStep(module, torch.optim.Adam(module.parameters(), lr=RATES["adam"]), x, labels)


def _made(graph: ir.Model, optimiser: Optimiser) -> TrainingGraph:
    momentum = 0.9 if optimiser == "sgd" else 0.0
    config = OptimiserConfig(optimiser, RATES[optimiser], momentum)
    request = TrainingRequest("all", "cross_entropy", config, normalisation="batch")
    return training_graph(graph, request)


def _joined(errors: Sequence[Errors]) -> Errors:
    """The errors of all batches."""
    return Errors(
        tuple(number for each in errors for number in each.ours),
        tuple(number for each in errors for number in each.theirs),
        float(np.median([each.size for each in errors])),
    )


def _errors(ours: Array, exact: Array, *singles: Array) -> Errors:
    return Errors(
        (float(np.linalg.norm((ours - exact).reshape(-1))),),
        (max(float(np.linalg.norm((single - exact).reshape(-1))) for single in singles),),
        float(np.linalg.norm(exact.reshape(-1))),
    )
