"""Canonical form of Reshape: a constant target that keeps the batch."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import (
    constant,
    is_operator,
    is_set,
    new_initialiser,
    rank,
    static_rest,
)
from edgecnn_exporters.passes.rewrite import Refusal, RewriteRule, apply_rules
from edgecnn_exporters.passes.sizes import sizes
from edgecnn_runtime.arrays import Array


@dataclass(frozen=True)
class Match:
    """A Reshape that keeps the batch, and the constant target for it."""

    node: ir.Node
    target: Array


class FixReshape(ir.passes.InPlacePass):
    """A Reshape that keeps the batch gets the constant target ``(0, …)``, whatever made its own.

    From (N, a, b, …) to (M, c, d, …), where all but N and M are static and
    ``a b … = c d … > 0``, M is N: PyTorch's dynamo exporter writes ``(-1, c, d, …)`` there · a
    target that is computed, as by TorchScript: x's own dynamic batch, then constants. Left alone:
    other axes that are dynamic, unknown or empty, and a batch that is split or joined.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(model, RewriteRule(_match, _rewrite))


def _match(node: ir.Node) -> Match | Refusal | None:
    if not is_operator(node, "Reshape") or rank(node.inputs[0]) == 0:
        return None
    rest = _rest_of_result(node)
    if rest is None:
        rest = _rest_of_computed(node)
    own = constant(node.inputs[1])
    if rest is None or 0 in rest:
        return None if _copies_batch(node) else Refusal(_why_not(node))
    target = np.array([0, *rest], np.int64)
    return None if own is not None and np.array_equal(own, target) else Match(node, target)


def _copies_batch(node: ir.Node) -> bool:
    target = constant(node.inputs[1])
    is_first_zero = target is not None and target.size > 0 and int(target[0]) == 0
    return is_first_zero and not is_set(node, "allowzero")


def _why_not(node: ir.Node) -> str:
    before, after = static_rest(node.inputs[0]), static_rest(node.outputs[0])
    if before is None or after is None:
        return "an axis other than the batch is dynamic or unknown"
    if prod(before) != prod(after):
        return "it splits or joins the batch"
    return "an axis is empty"


def _rewrite(graph: ir.Graph, match: Match) -> None:
    target = new_initialiser(graph, f"{match.node.name}.shape", match.target)
    match.node.replace_input_with(1, target)
    # Else the 0 would mean an empty batch.
    match.node.attributes.pop("allowzero", None)


def _rest_of_result(node: ir.Node) -> tuple[int, ...] | None:
    before, after = static_rest(node.inputs[0]), static_rest(node.outputs[0])
    if before is None or after is None or prod(before) != prod(after) or not prod(before):
        return None
    return after


def _rest_of_computed(node: ir.Node) -> tuple[int, ...] | None:
    """The sizes behind the batch in a target that is computed from shapes."""
    source, target = node.inputs[0], sizes(node.inputs[1])
    if source is None or not source.shape or not target or constant(node.inputs[1]) is not None:
        return None
    batch, *rest = target
    if batch != source.shape[0] or batch == ir.SymbolicDim(None):
        return None
    static = tuple(size for size in rest if isinstance(size, int))
    return static if len(static) == len(rest) else None
