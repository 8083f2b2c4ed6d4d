"""Removal of Identity nodes, but for those that give an output of the graph a value of its own."""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.passes.graph import is_operator


class RemoveIdentity(ir.passes.InPlacePass):
    """``Identity(x)`` becomes ``x``; ``x`` takes the name where it becomes an output of the graph.

    An Identity whose result is an output stays where its input is another output, an input of the
    graph or a weight: outputs are named by their values, and one value cannot be two.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        nodes = list(ir.traversal.RecursiveGraphIterator(model.graph))
        for function in model.functions.values():
            nodes += ir.traversal.RecursiveGraphIterator(function)
        removed = [node for node in nodes if is_operator(node, "Identity") and _remove(node)]
        return ir.passes.PassResult(model, modified=bool(removed))


def _remove(node: ir.Node) -> bool:
    """Remove the node if its input can take its place; whether it could."""
    (source,), (result,), graph = node.inputs, node.outputs, node.graph
    if source is None or graph is None:
        return False
    is_output = result.is_graph_output()
    if is_output and (source.producer() is None or source.is_graph_output()):
        return False
    if source.type is None:
        source.type = result.type
    source.shape = _merged(source.shape, result.shape)
    ir.convenience.replace_all_uses_with(result, source, replace_graph_outputs=True)
    if is_output:
        source.name = result.name
    graph.remove(node, safe=True)
    return True


def _merged(one: ir.Shape | None, other: ir.Shape | None) -> ir.Shape | None:
    """Of two shapes of one value what is known of each axis."""
    if one is None or other is None or len(one) != len(other):
        return one if one is not None else other
    return ir.Shape(
        [
            theirs if isinstance(theirs, int) or own == ir.SymbolicDim(None) else own
            for own, theirs in zip(one, other, strict=True)
        ]
    )
