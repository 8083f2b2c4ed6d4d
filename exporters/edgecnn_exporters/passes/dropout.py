"""Removal of Dropout, which only training needs."""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.passes.graph import can_take_out, constant, is_operator, take_out
from edgecnn_exporters.passes.rewrite import Refusal, RewriteRule, apply_rules


class RemoveDropout(ir.passes.InPlacePass):
    """``Dropout(x)`` becomes ``x``.

    Left alone: a Dropout whose training mode is on or computed, whose mask is read, or that leads
    straight from an input to an output.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(model, RewriteRule(_match, take_out))


def _match(node: ir.Node) -> ir.Node | Refusal | None:
    if not is_operator(node, "Dropout"):
        return None
    if not can_take_out(node):
        return Refusal("it leads straight from an input to an output")
    mask = node.outputs[1] if len(node.outputs) > 1 else None
    if mask is not None and (mask.uses() or mask.is_graph_output()):
        return Refusal("its mask is read")
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return node
    mode = constant(node.inputs[2])
    if mode is None:
        return Refusal("its training mode is computed")
    return Refusal("its training mode is on") if mode.any() else node
