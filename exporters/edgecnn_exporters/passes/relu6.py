"""Canonical form of ReLU6: ``Clip(x, 0, 6)``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import (
    constant,
    is_dead,
    is_operator,
    maker,
    new_initialiser,
    rank,
    replace_node,
    scalar,
    why_shared,
)
from edgecnn_exporters.passes.rewrite import Refusal, RewriteRule, apply_rules

SIX = 6.0
LOW, HIGH = "relu6.min", "relu6.max"


@dataclass(frozen=True)
class Match:
    """The node whose output is ``min(max(x, 0), 6)``, and the value x."""

    last: ir.Node
    source: ir.Value


class CanonicaliseRelu6(ir.passes.InPlacePass):
    """Every form of ``min(max(x, 0), 6)`` becomes ``Clip(x, 0, 6)``, bounds as initialisers.

    ``Min(Max(x, 0), 6)`` and ``Max(Min(x, 6), 0)``, inputs in any order ·
    ``Clip(Relu(x), 0 or none, 6)`` · ``Relu(Clip(x, 0 or none, 6))`` · ``Min(Relu(x), 6)`` ·
    ``Clip(x, 0, 6)`` whose bounds are other constants. Left alone: other bounds, bounds that are
    computed, a bound of Min or Max whose rank is or may be above that of x (the result has that
    rank), and an inner node whose output has a second reader.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(model, RewriteRule(_match, _rewrite))


def _match(node: ir.Node) -> Match | Refusal | None:
    """Bounds of the node itself, tightened by the bounds of the node before it."""
    own = _bounds(node)
    if own is None or isinstance(own, Refusal):
        return own
    source, low, high = own
    before = maker(source, "Relu", "Clip", "Min", "Max")
    inner = _bounds(before) if before is not None else None
    shared = why_shared(before) if before is not None else None
    if isinstance(inner, tuple):
        # Two clips in a row are a clip to the intersection of their ranges.
        both = max(low, inner[1]), min(high, inner[2])
        if both == (0.0, SIX) and shared is None:
            return Match(node, inner[0])
        if both == (0.0, SIX) and (low, high) != both:
            return Refusal(str(shared))
    if (low, high) == (0.0, SIX):
        return None if _is_canonical(node) else Match(node, source)
    if low == 0.0 and high < np.inf:
        return Refusal(f"it clips to 0 … {high:g}, not to 0 … 6")
    return None


def _bounds(node: ir.Node) -> tuple[ir.Value, float, float] | Refusal | None:
    """(x, low, high) of a node that clips x by constants."""
    if is_operator(node, "Relu") and node.inputs[0] is not None:
        return node.inputs[0], 0.0, np.inf
    if is_operator(node, "Clip") and node.inputs[0] is not None:
        low = _optional(node, 1, -np.inf)
        high = _optional(node, 2, np.inf)
        if low is None or high is None:
            return Refusal("its bounds are computed")
        return node.inputs[0], low, high
    if is_operator(node, "Min", "Max") and len(node.inputs) == 2:
        for value, bound in (node.inputs, node.inputs[::-1]):
            limit = scalar(bound)
            if value is None or constant(value) is not None or limit is None:
                continue
            if (rank(bound) or 0) <= (rank(value) or 0):
                return (value, -np.inf, limit) if node.op_type == "Min" else (value, limit, np.inf)
            if limit in (0.0, SIX):
                return Refusal("its bound has more axes than its input, or may have")
    return None


def _optional(node: ir.Node, index: int, otherwise: float) -> float | None:
    if len(node.inputs) <= index or node.inputs[index] is None:
        return otherwise
    return scalar(node.inputs[index])


def _is_canonical(node: ir.Node) -> bool:
    return is_operator(node, "Clip") and all(
        # With a number appended where the network clips in several precisions.
        value is not None and str(value.name).startswith((LOW, HIGH))
        for value in node.inputs[1:]
    )


def _rewrite(graph: ir.Graph, match: Match) -> None:
    dtype = np.float32 if match.source.dtype is None else match.source.dtype.numpy()
    low = new_initialiser(graph, LOW, np.array(0, dtype))
    high = new_initialiser(graph, HIGH, np.array(SIX, dtype))
    before = [value.producer() for value in match.last.inputs if value is not None]
    replace_node(graph, match.last, ir.node("Clip", [match.source, low, high]))
    for node in before:
        if node is not None and node is not match.source.producer() and is_dead(node):
            graph.remove(node, safe=True)
