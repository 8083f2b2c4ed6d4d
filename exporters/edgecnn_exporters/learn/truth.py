"""Loss and gradients of an ONNX graph by PyTorch's autograd in float64, for a golden step."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.gradient.differentiate import active_values
from edgecnn_exporters.passes.graph import constant
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.training import Loss

if TYPE_CHECKING:
    import torch

    Tensor = torch.Tensor


@dataclass(frozen=True)
class LossBatch:
    """A loss with the labels of a batch.

    Attributes:
        labels: as the loss takes them.
        smoothing: of the labels, for cross-entropy.
    """

    loss: Loss
    labels: Array
    smoothing: float = 0.0


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
    batch: LossBatch,
    sides: Mapping[str, Array] | None = None,
    statistics: Collection[str] = (),
) -> GradientTruth:
    """The loss at the graph's first output and its gradients, each operator in PyTorch's float64.

    It shares no code with the gradient rules: the backward pass is PyTorch's own.

    Args:
        graph: float, before differentiation.
        given: what active nodes read of others, by name: inputs or frozen features.
        parameters: names of initialisers.
        sides: by name of a node with a kink, as Relu has one, its first input in float32: on which
            side of the kink a value lies is decided there, where float64 rounds otherwise.
        statistics: names of running means and variances that are the batch's own instead.

    Raises:
        UnsupportedModel: an operator has no form in PyTorch here.
    """
    import torch

    from edgecnn_exporters.learn.torch_forms import torch_form

    values: dict[ir.Value, Tensor] = {}
    chosen = {name: graph.initializers[name] for name in parameters}
    for value in chosen.values():
        values[value] = _tensor(constant(value), is_learnt=True)
    active = active_values(graph, chosen.values())
    for node in graph:
        if node.outputs[0] not in active:
            continue
        form = torch_form(node)
        inputs = [_unless(value, statistics) for value in node.inputs[: form.operands]]
        operands = [_operand(value, values, given) for value in inputs]
        first = operands[0]
        if sides is not None and str(node.name) in sides and first is not None:
            operands[0] = first + (_tensor(sides[str(node.name)]) - first.detach())
        results = form.make(node)(*operands)
        results = results if isinstance(results, tuple | list) else (results,)
        values |= dict(zip(node.outputs, results, strict=False))
    result = _loss(batch, graph.outputs[0], values)
    gradients = torch.autograd.grad(result, [values[value] for value in chosen.values()])
    named = zip(chosen, gradients, strict=True)
    return GradientTruth(float(result.detach()), {name: each.numpy() for name, each in named})


def _unless(value: ir.Value | None, names: Collection[str]) -> ir.Value | None:
    return None if value is None or str(value.name) in names else value


def kinks(graph: ir.Graph, parameters: Collection[str]) -> dict[str, str]:
    """The active nodes with a kink, by name, each with the name of its first input."""
    from edgecnn_exporters.learn.torch_forms import KINKED

    active = active_values(graph, [graph.initializers[name] for name in parameters])
    return {
        str(node.name): str(node.inputs[0].name)
        for node in graph
        if node.domain == "" and node.op_type in KINKED and node.inputs[0] in active
    }


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


def _loss(batch: LossBatch, output: ir.Value, values: Mapping[ir.Value, Tensor]) -> Tensor:
    from torch.nn import functional

    labels, loss = _tensor(batch.labels), batch.loss
    node = output.producer()
    before = None if node is None else node.inputs[0]
    if loss == "mean_squared_error":
        return functional.mse_loss(values[output], labels)
    # Both are of logits: what a last Softmax or Sigmoid reads.
    last = "Softmax" if loss == "cross_entropy" else "Sigmoid"
    is_last = node is not None and node.op_type == last and before is not None
    logits = values[before] if is_last and before is not None else values[output]
    if loss == "cross_entropy":
        return functional.cross_entropy(logits, labels, label_smoothing=batch.smoothing)
    return functional.binary_cross_entropy_with_logits(logits, labels)
