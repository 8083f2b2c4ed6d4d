"""Reverse-mode differentiation of an ONNX graph: gradients as further nodes of the same graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import onnx_ir as ir

from edgecnn_exporters.gradient.composite import Composite, by_node
from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.gradient.rule import Backward, Rule, cannot_learn
from edgecnn_exporters.gradient.table import CONSTANT, REFUSED, RULES


def active_values(graph: ir.Graph, parameters: Collection[ir.Value]) -> set[ir.Value]:
    """The parameters and every value that changes smoothly with one of them."""
    active = set(parameters)
    for node in graph:
        is_constant = node.domain == "" and node.op_type in CONSTANT
        if not is_constant and any(value in active for value in node.inputs):
            active.update(node.outputs)
    return active


def differentiate(
    graph: ir.Graph,
    seeds: Mapping[ir.Value, ir.Value],
    parameters: Collection[ir.Value],
    emit: Emitter,
    composites: Sequence[Composite] = (),
) -> dict[ir.Value, ir.Value]:
    """Append the backward pass to a graph, from some of its values to its parameters.

    Nodes that do not lead from a parameter to a seed get no backward pass.

    Args:
        graph: in topological order, with the shapes of its values.
        seeds: gradient of the loss with respect to some values, of their shapes.
        parameters: initialisers or inputs of the graph.
        emit: writer of the graph's nodes.
        composites: nodes with a common rule.

    Returns:
        The gradient of each parameter that leads to a seed.

    Raises:
        UnsupportedModel: an operator on the way has no rule; names it and what to freeze.
    """
    active = active_values(graph, parameters)
    parts = by_node(composites)
    arrived: dict[ir.Value, list[ir.Value]] = {}
    for value, gradient in seeds.items():
        arrived.setdefault(value, []).append(gradient)
    for node in reversed(list(graph)):
        if not any(value in arrived and value in active for value in node.outputs):
            continue
        whole = parts.get(node)
        inputs = tuple(node.inputs) if whole is None else whole.inputs
        wanted = frozenset(i for i, value in enumerate(inputs) if value in active)
        if not wanted:
            continue
        emit.within(f"{node.name}.gradient", node.outputs[0].dtype)
        gradients = tuple(_total(arrived.get(value), emit) for value in node.outputs)
        back = Backward(node, gradients, wanted, emit)
        found = _rule(node)(back) if whole is None else whole.rule(back.gradient, wanted)
        for index, gradient in found.items():
            source = inputs[index]
            if index in wanted and source is not None:
                arrived.setdefault(source, []).append(gradient)
    emit.within("learn")
    totals = {value: _total(arrived.get(value), emit) for value in parameters}
    return {value: total for value, total in totals.items() if total is not None}


def _rule(node: ir.Node) -> Rule:
    name = node.op_type
    if node.domain == "" and name in RULES:
        return RULES[name]
    reason = REFUSED.get(name) if node.domain == "" else "it is no operator of ONNX's own"
    raise cannot_learn(node, reason or "edgecnn has no rule for this operator")


def _total(gradients: list[ir.Value] | None, emit: Emitter) -> ir.Value | None:
    """Sum of the gradients that arrive at a value by all of its readers."""
    if not gradients:
        return None
    if len(gradients) == 1:
        return gradients[0]
    return emit("Add" if len(gradients) == 2 else "Sum", *gradients)
