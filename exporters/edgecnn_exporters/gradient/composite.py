"""Composite of a graph: nodes that one rule differentiates together.

The pieces of a normalisation have rules of their own, but the gradient of the whole is shorter: it
needs fewer passes over the image, and keeps fewer values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgecnn_exporters.passes.graph import hand_over

# Gives the gradient of each wanted input, by its index, from the gradient of the output.
CompositeRule = Callable[[ir.Value, frozenset[int]], Mapping[int, ir.Value]]


@dataclass(frozen=True)
class Composite:
    """Nodes with one output that leads to the loss, and their common rule.

    Attributes:
        name: of the operator that they stand for.
        nodes: in the graph's order; the last computes `output`.
        inputs: that the rule has gradients of.
    """

    name: str
    nodes: tuple[ir.Node, ...]
    inputs: tuple[ir.Value, ...]
    output: ir.Value
    rule: CompositeRule


def take_place(graph: ir.Graph, node: ir.Node, output: ir.Value) -> None:
    """A composite's output takes over the name, type, shape and readers of a node, which goes."""
    before = node.outputs[0]
    output.type, output.shape = before.type, before.shape
    name = before.name
    hand_over(before, output)
    before.name, output.name = f"{name}.before", name
    graph.remove(node, safe=True)


def by_node(composites: Sequence[Composite]) -> dict[ir.Node, Composite]:
    """The composite that each node is part of."""
    return {node: each for each in composites for node in each.nodes}
