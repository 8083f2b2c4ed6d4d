"""Sides of the bends on which activations lie: ReLU and ReLU6, hard swish and hard sigmoid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from torch.overrides import TorchFunctionMode

from benchmarks.training.agreement import RATES, training_graph_of
from benchmarks.training.networks import Small
from benchmarks.training.runners import GraphStep
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.training import Optimiser

F = torch.nn.functional
# Where each activation bends; between two bends it is one polynomial.
BENDS: dict[Any, tuple[float, ...]] = {
    F.relu: (0.0,),
    F.hardtanh: (0.0, 6.0),  # of ReLU6, the only one in the zoo
    F.hardswish: (-3.0, 3.0),
    F.hardsigmoid: (-3.0, 3.0),
}
OPERATORS = {
    "Relu": F.relu,
    "Clip": F.hardtanh,
    "HardSwish": F.hardswish,
    "HardSigmoid": F.hardsigmoid,
}


class Watched(TorchFunctionMode):
    """What every activation of a module reads, in turn.

    Args:
        held: the side of each value, of the first activations, whose polynomial gives their output
            instead of the activation's own.
    """

    def __init__(self, held: Sequence[Array] = ()) -> None:
        super().__init__()
        self.read: list[Array] = []
        self._held = [torch.from_numpy(each) for each in held]

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function in BENDS:
            self.read.append(args[0].detach().numpy().astype(np.float64))
            if len(self.read) <= len(self._held):
                return _polynomial(function, args[0], self._held[len(self.read) - 1])
        return function(*args, **(kwargs or {}))


def _polynomial(activation: Any, x: torch.Tensor, side: torch.Tensor) -> torch.Tensor:
    """An activation by the polynomials of given sides."""
    pieces = {
        F.relu: (0 * x, x),
        F.hardtanh: (0 * x, x, 0 * x + 6),
        F.hardswish: (0 * x, x * (x + 3) / 6, x),
        F.hardsigmoid: (0 * x, (x + 3) / 6, 0 * x + 1),
    }[activation]
    result = pieces[0]
    for number, each in enumerate(pieces[1:], 1):
        result = torch.where(side == number, each, result)
    return result


def activations_of(graph: ir.Model) -> dict[str, Any]:
    """The activations of a graph, by the name of what they read."""
    return {
        str(node.inputs[0].name): OPERATORS[node.op_type]
        for node in graph.graph
        if node.op_type in OPERATORS and node.inputs[0] is not None
    }


def sides_of(activations: Sequence[Any], read: Sequence[Array]) -> list[Array]:
    """How many bends each value that activations read is beyond."""
    return [
        np.sum([x > bend for bend in BENDS[each]], axis=0, dtype=np.uint8)
        for each, x in zip(activations, read, strict=True)
    ]


def read_by(step: GraphStep) -> list[Array]:
    """What the activations of a training graph read in the last step."""
    return [each.astype(np.float64) for each in step.seen()]


class Watching:
    """A network and its training graph, whose activations are watched.

    Attributes:
        kinds: the activations, in the order in which they run.
    """

    def __init__(self, network: Small) -> None:
        self.network, self.graph = network, network.graph("torchscript")
        activations = activations_of(self.graph)
        self.kinds = list(activations.values())
        self._names = list(activations)

    def step(self, optimiser: Optimiser, x: Float32, labels: Array) -> GraphStep:
        """A step of the training graph; `read_by` gives what its activations read."""
        made = training_graph_of(self.graph, optimiser)
        values = {value.name: value for node in made.model.graph for value in node.outputs}
        made.model.graph.outputs.extend(values[name] for name in self._names)
        return GraphStep(made, x, labels, 1, RATES[optimiser], watched=self._names)
