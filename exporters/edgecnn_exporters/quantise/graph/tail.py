"""The tail of a graph: what follows the last layers with weights up to the outputs.

Not every Conv is a layer: a factor for each channel is arithmetic of the tail, and so is the
constant Conv by which a detector turns distributions into distances (Li et al. 2020, "Generalized
Focal Loss").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_operator, sole_reader, static_rest
from edgecnn_exporters.quantise.graph.rules import RULES, Role

# Of all multiply-adds: a Conv with less counts as arithmetic of the tail.
LEAST_SHARE = 0.001


@dataclass(frozen=True)
class Tail:
    """Nodes that lead to an output of the graph without another layer.

    Attributes:
        nodes: all of them. A Relu or a Clip that is the only reader of a layer belongs to that.
        ending: those of them that lead to nothing but outputs.
        costs: multiply-adds of every product for one sample, by name, where sizes are known.
    """

    nodes: frozenset[ir.Node]
    ending: frozenset[ir.Node]
    costs: Mapping[str, int]

    def share(self, names: Iterable[str]) -> float:
        """The share of all multiply-adds that these nodes compute."""
        return sum(self.costs.get(name, 0) for name in names) / max(1, sum(self.costs.values()))


def tail_of(graph: ir.Graph) -> Tail:
    """The tail of a canonical float graph."""
    nodes = list(graph)
    products = {node: multiply_adds(node) for node in nodes if is_product(node)}
    total = sum(count or 0 for count in products.values())
    layers = {node for node, count in products.items() if _is_layer(node, count, total)}
    stops = {*layers, *_clips(layers)}
    leading: set[ir.Node] = set()
    feeding: set[ir.Node] = set()
    for node in reversed(nodes):
        readers = {use.node for output in node.outputs for use in output.uses()}
        if readers & (stops | feeding):
            feeding.add(node)
        is_output = any(output.is_graph_output() for output in node.outputs)
        if node not in stops and (is_output or readers & leading):
            leading.add(node)
    costs = {str(node.name): count for node, count in products.items() if count is not None}
    return Tail(frozenset(leading), frozenset(leading - feeding), costs)


def _is_layer(node: ir.Node, count: int | None, total: int) -> bool:
    if not is_operator(node, "Conv"):
        return True
    weight = constant(node.inputs[1])
    assert weight is not None
    is_factor = weight.shape[1] == 1 and node.attributes.get_int("group", 1) == len(weight)
    if is_factor and weight.size == len(weight) > 1:
        return False
    return count is None or count >= LEAST_SHARE * total


def _clips(layers: Iterable[ir.Node]) -> set[ir.Node]:
    readers = [sole_reader(layer.outputs[0]) for layer in layers]
    return {node for node in readers if node is not None and is_operator(node, "Relu", "Clip")}


def is_product(node: ir.Node) -> bool:
    """Whether the node multiplies its input by a constant weight and adds up."""
    rule = RULES.get(node.op_type) if node.domain == "" else None
    is_known = rule is not None and rule.role is Role.PRODUCT
    return (is_known or is_operator(node, "MatMul")) and (
        len(node.inputs) > 1 and constant(node.inputs[1]) is not None
    )


def multiply_adds(node: ir.Node) -> int | None:
    """Multiply-adds of a product for one sample; None where a size is unknown."""
    weight = constant(node.inputs[1])
    assert weight is not None
    if is_operator(node, "Gemm"):
        return int(weight.size)
    is_transposed = is_operator(node, "ConvTranspose")
    sizes = static_rest(node.inputs[0] if is_transposed else node.outputs[0])
    if sizes is None:
        return None
    # Each weight meets every place of a channel; a MatMul's places are the axes before the last.
    return int(weight.size) * prod(sizes[:-1] if is_operator(node, "MatMul") else sizes[1:])
