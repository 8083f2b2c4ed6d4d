"""What only training needs is taken out."""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.passes.graph import can_take_out, constant, is_operator, take_out


class RemoveDropout(ir.passes.InPlacePass):
    """``Dropout(x)`` becomes ``x``.

    Left alone: a Dropout whose training mode is on or computed, whose mask is read, or that leads
    straight from an input to an output.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        idle = [node for node in model.graph if _is_idle(node)]
        for node in idle:
            take_out(model.graph, node)
        return ir.passes.PassResult(model, modified=bool(idle))


def _is_idle(node: ir.Node) -> bool:
    if not is_operator(node, "Dropout") or not can_take_out(node):
        return False
    mask = node.outputs[1] if len(node.outputs) > 1 else None
    if mask is not None and (mask.uses() or mask.is_graph_output()):
        return False
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return True
    mode = constant(node.inputs[2])
    return mode is not None and not mode.any()
