"""Dropout, which only training needs: removed from inference, switched on for training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import (
    can_take_out,
    constant,
    is_operator,
    new_initialiser,
    scalar,
    take_out,
)
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


# ONNX's default of an input that is not there.
DEFAULT_RATIO = 0.5


@dataclass(frozen=True)
class DropoutMatch:
    """A Dropout that is off.

    Attributes:
        ratio: share of the values that are dropped.
    """

    node: ir.Node
    ratio: float


class SwitchOnDropout(ir.passes.InPlacePass):
    """``Dropout(x, ratio)`` becomes ``Dropout(x, ratio, training_mode=True)``.

    Left alone: one that is on, or whose ratio is computed.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(model, RewriteRule(_match_switched_off, _switch_on))


def ratio_of(node: ir.Node) -> float | None:
    """Share of the values that a Dropout drops; None when it is computed."""
    given = node.inputs[1] if len(node.inputs) > 1 else None
    return DEFAULT_RATIO if given is None else scalar(given)


def _match_switched_off(node: ir.Node) -> DropoutMatch | Refusal | None:
    if not is_operator(node, "Dropout"):
        return None
    mode = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if mode is not None and mode.any():
        return None
    ratio = ratio_of(node)
    return Refusal("its ratio is computed") if ratio is None else DropoutMatch(node, ratio)


def _switch_on(graph: ir.Graph, match: DropoutMatch) -> None:
    node = match.node
    name = node.outputs[0].name
    node.resize_inputs(3)
    ratio = np.array(match.ratio, np.float32)
    node.replace_input_with(1, new_initialiser(graph, f"{name}.ratio", ratio))
    node.replace_input_with(2, new_initialiser(graph, f"{name}.training", np.array(True)))
