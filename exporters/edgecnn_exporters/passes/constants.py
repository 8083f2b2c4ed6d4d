"""Constant folding: arithmetic on constants is computed at export."""

from __future__ import annotations

import sys

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from edgecnn_exporters.passes.graph import (
    constant,
    extent,
    hand_over,
    is_operator,
    new_initialiser,
)

# Results that are larger than what they replace are only kept up to here, or up to the size of the
# largest weight: a Tile of a scalar is no weight.
MAX_OUTPUT_VALUES = 1 << 20


class LiftConstants(common.LiftConstantsToInitializersPass):
    """Every Constant node becomes an initialiser, scalars and strings among them.

    Left alone: a Constant that is an output of the graph.
    """

    def __init__(self) -> None:
        super().__init__(lift_all_constants=True, size_limit=0)


class FoldConstants(ir.passes.InPlacePass):
    """A node whose inputs are all constant becomes its result; known shapes become constants.

    onnxscript's folder, which also resolves the Shape → Gather → Concat chains that TorchScript
    leaves before a Reshape. Left alone: results of more than a million values that are larger than
    their inputs and than every weight, QuantizeLinear and DequantizeLinear. A Split of a constant
    is folded where the sizes of its parts are known.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        from onnxscript.optimizer import fold_constants

        # Weights are large: their scaling is folded whatever the size, where several nodes read
        # one, too.
        weights = (value.const_value for value in model.graph.initializers.values())
        largest = max((tensor.size for tensor in weights if tensor is not None), default=0)
        result = fold_constants(
            model,
            input_size_limit=sys.maxsize,
            output_size_limit=max(MAX_OUTPUT_VALUES, largest),
            should_fold=_is_fill,
        )
        _drop_stale_outputs(model.graph)
        split = [
            _split(model.graph, node) for node in list(model.graph) if is_operator(node, "Split")
        ]
        return ir.passes.PassResult(model, modified=bool(result.modified) or any(split))


def _split(graph: ir.Graph, node: ir.Node) -> bool:
    """Replace a Split of a constant, which the folder leaves alone, by its parts."""
    whole = constant(node.inputs[0])
    axis = node.attributes.get_int("axis", 0)
    sizes = [extent(output, axis) for output in node.outputs]
    known = [size for size in sizes if size is not None]
    if whole is None or len(known) < len(sizes):
        return False
    if any(output.is_graph_output() for output in node.outputs):
        return False
    parts = np.split(whole, np.cumsum(known)[:-1], axis)
    for output, part in zip(node.outputs, parts, strict=True):
        hand_over(output, new_initialiser(graph, str(output.name), part))
    graph.remove(node, safe=True)
    return True


def _is_fill(node: ir.Node) -> bool | None:
    """True for what the folder would leave; None where its own rules decide.

    TorchScript builds the constant widths of every Pad from a ConstantOfShape.
    """
    return True if is_operator(node, "ConstantOfShape") else None


def _drop_stale_outputs(graph: ir.Graph) -> None:
    """Clear the outputs of branches that the folder removed.

    Of an If whose condition is known it moves the nodes out of the branch, and leaves the branch
    its outputs: the passes would take those values for graph outputs.
    """
    live = {id(each) for each in (graph, *graph.subgraphs())}
    for node in graph:
        for value in node.outputs:
            holder = value.graph
            if value.is_graph_output() and holder is not None and id(holder) not in live:
                holder.outputs.clear()
