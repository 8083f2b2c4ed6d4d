"""Agreement of a training graph with PyTorch's autograd: gradients, and parameters after steps.

Errors are Euclidean norms against PyTorch in float64. PyTorch's own are the larger of two runs in
float32 that differ in the order of additions alone, with the images in reverse order. A rounding
may put a pixel on the other side of a ReLU's bend, which changes every gradient before it by far
more than a rounding; whom it happens to is chance, and in MobileNetV2 it happens to both in most
batches (`bends`). So gradients are compared on five batches, the least error with the least and
the largest with the largest: an error of a rule makes both larger. Parameters after steps are
compared in the same way, over some orders of the images, which are the same in exact numbers and
round differently in float32; PyTorch computes every other one without oneDNN.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
import torch

from benchmarks.training.networks import CLASSES, Small
from benchmarks.training.runners import GraphStep, TorchStep, onednn
from edgecnn_exporters.gradient.optimisers import OptimiserConfig
from edgecnn_exporters.gradient.training_graph import TrainingGraph, TrainingRequest, training_graph
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.training import MOMENTUM, Optimiser

STEPS, FEW_STEPS, BATCHES, ORDERS = 20, 2, 5, 4
RATES: Mapping[Optimiser, float] = {"sgd": 0.01, "adam": 0.001}
# Of a parameter's gradient: a few roundings of float32 (6e-8), below which errors are luck.
FLOOR = 1e-6
# Of all gradients together: a bias before a normalisation has the gradient 0, and in float32 the
# rounding of sums as large as the others.
FLOOR_OF_ALL = 1e-8


@dataclass(frozen=True)
class Errors:
    """Errors against PyTorch in float64, of each batch, or of each order of one batch's images.

    Attributes:
        ours: of the training graph.
        theirs: of PyTorch in float32; of a batch, the larger of two runs.
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


def agreement(
    network: Small, graph: ir.Model, batch: int, steps: int = STEPS, orders: int = ORDERS
) -> Agreement:
    """Compare the gradients on `BATCHES` batches, and the parameters after steps on the first.

    Args:
        graph: canonical for training, as `network.graph` makes it.
        steps: none leaves the parameters after steps out.
        orders: of the first batch's images, in which the steps are made.
    """
    batches = batches_of(network, batch)
    sgd = _opened(graph, "sgd", *batches[0])
    firsts = [_firsts(network, sgd, *each) for each in batches]
    losses, gradients = [loss for loss, _ in firsts], [each for _, each in firsts]
    turned = _orders(*batches[0], orders)
    optimisers: tuple[Optimiser, ...] = ("sgd", "adam") if steps else ()
    after = {}
    for each in optimisers:
        step = sgd if each == "sgd" else _opened(graph, each, *batches[0])
        after[each] = _after(network, step, each, steps, turned)
    return Agreement(
        joined(losses),
        {name: joined([each[name] for each in gradients]) for name in gradients[0]},
        after,
    )


def batches_of(network: Small, batch: int) -> list[tuple[Float32, Array]]:
    """Photographs and labels of chance, `BATCHES` times as many as a batch has."""
    random, examples = np.random.default_rng(1), network.examples(BATCHES * batch)
    return [
        (np.ascontiguousarray(x), random.integers(0, CLASSES, batch))
        for x in np.split(examples, BATCHES)
    ]


def _firsts(
    network: Small, ours: GraphStep, x: Float32, labels: Array
) -> tuple[Errors, dict[str, Errors]]:
    """Errors of the loss and of each gradient at the beginning."""
    reverse = np.ascontiguousarray(x[::-1]), np.ascontiguousarray(labels[::-1])
    runs = [
        torch_step(network, "sgd", dtype, *images).gradients()
        for dtype, images in (
            (torch.float64, (x, labels)),
            (torch.float32, (x, labels)),
            (torch.float32, reverse),
        )
    ]
    ours.begin(x, labels)
    loss, now = ours.step(), ours.values()
    # From zero, the momentum after the first step is the gradient.
    return _errors(np.array(loss), *(np.array(each) for each, _ in runs)), {
        name: _errors(now[f"{name}{MOMENTUM}"], *(each[name] for _, each in runs))
        for name in ours.graph.parameters
    }


def _orders(x: Float32, labels: Array, count: int) -> list[tuple[Float32, Array]]:
    """A batch, with its images turned on by one each time."""
    return [(np.roll(x, by, axis=0), np.roll(labels, by)) for by in range(count)]


def _after(
    network: Small,
    ours: GraphStep,
    optimiser: Optimiser,
    steps: int,
    orders: Sequence[tuple[Float32, Array]],
) -> Errors:
    """Errors of all parameters together after some steps on a batch, in each order of it."""
    names = sorted(ours.graph.parameters)

    def autograd(dtype: torch.dtype, x: Float32, labels: Array) -> Array:
        run = torch_step(network, optimiser, dtype, x, labels)
        return flat(run.after(steps), names)

    exact, errors = autograd(torch.float64, *orders[0]), []
    for number, images in enumerate(orders):
        ours.begin(*images)
        with onednn(number % 2 == 0):
            single = autograd(torch.float32, *images)
        errors.append(_errors(flat(ours.after(steps), names), exact, single))
    return joined(errors)


def flat(parameters: Mapping[str, Array], names: Sequence[str]) -> Array:
    """Parameters as one vector, in the order of the names."""
    return np.concatenate([parameters[name].reshape(-1) for name in names])


def torch_step(
    network: Small, optimiser: Optimiser, dtype: torch.dtype, x: Float32, labels: Array
) -> TorchStep:
    """A step of PyTorch, of a copy of the network in a precision."""
    module = copy.deepcopy(network.module).to(dtype)
    if optimiser == "sgd":
        return TorchStep(
            module,
            torch.optim.SGD(module.parameters(), lr=RATES["sgd"], momentum=0.9),
            x,
            labels,
        )
    return TorchStep(module, torch.optim.Adam(module.parameters(), lr=RATES["adam"]), x, labels)


def training_graph_of(graph: ir.Model, optimiser: Optimiser) -> TrainingGraph:
    """The training graph of all parameters, by an optimiser as `torch_step` has it."""
    momentum = 0.9 if optimiser == "sgd" else 0.0
    config = OptimiserConfig(optimiser, RATES[optimiser], momentum)
    request = TrainingRequest("all", "cross_entropy", config, normalisation="batch")
    return training_graph(graph, request)


def _opened(graph: ir.Model, optimiser: Optimiser, x: Float32, labels: Array) -> GraphStep:
    return GraphStep(training_graph_of(graph, optimiser), x, labels, 1, RATES[optimiser])


def joined(errors: Sequence[Errors]) -> Errors:
    """The errors of all batches, or runs."""
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
