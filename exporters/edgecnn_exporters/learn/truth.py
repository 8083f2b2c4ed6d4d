"""Loss and gradients of an ONNX graph by PyTorch's autograd in float64, for a golden step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.gradient.differentiate import active_values
from edgecnn_exporters.passes.graph import constant, scalar
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.training import Loss

if TYPE_CHECKING:
    import torch

    from edgecnn_exporters.quantise.trainable.operator import TorchFunction

    Tensor = torch.Tensor


@dataclass(frozen=True)
class GradientTruth:
    """Loss of a batch, and its gradient with respect to each parameter.

    Attributes:
        gradients: float64, by the parameter's name, of its shape.
    """

    loss: float
    gradients: Mapping[str, Array]


def gradient_truth(
    graph: ir.Graph,
    given: Mapping[str, Array],
    parameters: Collection[str],
    loss: Loss,
    labels: Array,
    smoothing: float = 0.0,
) -> GradientTruth:
    """The loss at the graph's first output and its gradients, each operator in PyTorch's float64.

    It shares no code with the gradient rules: the backward pass is PyTorch's own.

    Args:
        graph: float, before differentiation.
        given: what active nodes read of others, by name: inputs or frozen features.
        parameters: names of initialisers.

    Raises:
        UnsupportedModel: an operator has no form in PyTorch here.
    """
    import torch

    values: dict[ir.Value, Tensor] = {}
    chosen = {name: graph.initializers[name] for name in parameters}
    for value in chosen.values():
        values[value] = _tensor(constant(value), is_learnt=True)
    active = active_values(graph, chosen.values())
    for node in graph:
        if node.outputs[0] not in active:
            continue
        function, operands = _function(node)
        read = [_operand(value, values, given) for value in node.inputs[:operands]]
        results = function(*read)
        results = results if isinstance(results, tuple | list) else (results,)
        values |= dict(zip(node.outputs, results, strict=False))
    result = _loss(loss, graph.outputs[0], values, _tensor(labels), smoothing)
    tensors = [values[value] for value in chosen.values()]
    gradients = torch.autograd.grad(result, tensors)
    named = zip(chosen, gradients, strict=True)
    return GradientTruth(float(result.detach()), {name: each.numpy() for name, each in named})


def frontier(graph: ir.Graph, parameters: Collection[str]) -> tuple[ir.Value, ...]:
    """The computed values and inputs that active nodes read and that no parameter changes."""
    active = active_values(graph, [graph.initializers[name] for name in parameters])
    read = [
        value
        for node in graph
        if node.outputs[0] in active
        for value in node.inputs
        if value is not None and value not in active and constant(value) is None
    ]
    return tuple(dict.fromkeys(read))


def _operand(
    value: ir.Value | None, values: dict[ir.Value, Tensor], given: Mapping[str, Array]
) -> Tensor | None:
    if value is None:
        return None
    if value not in values:
        array = constant(value)
        values[value] = _tensor(given[str(value.name)] if array is None else array)
    return values[value]


def _tensor(array: Array | None, *, is_learnt: bool = False) -> Tensor:
    import torch

    assert array is not None, "it is a constant or was given"
    wide = array.astype(np.float64) if array.dtype.kind == "f" else array.copy()
    return torch.tensor(wide, requires_grad=is_learnt)


def _function(node: ir.Node) -> tuple[TorchFunction, int | None]:
    """The node in PyTorch, and how many of its inputs it takes."""
    from edgecnn_exporters.quantise.trainable.operators import torch_operator

    if node.domain == "" and node.op_type == "Clip":
        return _clip(node), 1
    operator = torch_operator(node)
    return operator.make(node), operator.operands


def _clip(node: ir.Node) -> Callable[[Tensor], Tensor]:
    """Clip whose gradient at a bound is 0, as of `torch.nn.ReLU6`; of `torch.clamp` it is 1."""
    import torch

    bounds = [scalar(node.inputs[i]) if len(node.inputs) > i else None for i in (1, 2)]
    low, high = (-np.inf if bounds[0] is None else bounds[0]), bounds[1]
    high = np.inf if high is None else high

    def run(x: Tensor) -> Tensor:
        return torch.where((x > low) & (x < high), x, x.detach().clamp(low, high))

    return run


def _loss(
    loss: Loss,
    output: ir.Value,
    values: Mapping[ir.Value, Tensor],
    labels: Tensor,
    smoothing: float,
) -> Tensor:
    from torch.nn import functional

    node = output.producer()
    before = None if node is None else node.inputs[0]
    if loss == "mean_squared_error":
        return functional.mse_loss(values[output], labels)
    # Both are of logits: what a last Softmax or Sigmoid reads.
    last = "Softmax" if loss == "cross_entropy" else "Sigmoid"
    is_last = node is not None and node.op_type == last and before is not None
    logits = values[before] if is_last and before is not None else values[output]
    if loss == "cross_entropy":
        return functional.cross_entropy(logits, labels, label_smoothing=smoothing)
    return functional.binary_cross_entropy_with_logits(logits, labels)
