"""ReLU6 in one form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import (
    constant,
    is_dead,
    is_operator,
    new_initialiser,
    producer,
    rank,
    replace_node,
    scalar,
)

SIX = 6.0
LOW, HIGH = "relu6.min", "relu6.max"


@dataclass(frozen=True)
class Match:
    """The node whose output is ``min(max(x, 0), 6)``, and the value x."""

    last: ir.Node
    source: ir.Value


class CanonicaliseRelu6(ir.passes.InPlacePass):
    """Every spelling of ``min(max(x, 0), 6)`` becomes ``Clip(x, 0, 6)``, bounds as initialisers.

    ``Min(Max(x, 0), 6)`` and ``Max(Min(x, 6), 0)``, inputs in any order ·
    ``Clip(Relu(x), 0 or none, 6)`` · ``Relu(Clip(x, 0 or none, 6))`` · ``Min(Relu(x), 6)`` ·
    ``Clip(x, 0, 6)`` whose bounds are other constants. Left alone: other bounds, bounds that are
    computed, a bound of Min or Max whose rank is or may be above that of x (the result has that
    rank), and an inner node whose output has a second reader.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in list(model.graph):
            if node.graph is not None and (match := _match(node)):
                _rewrite(model.graph, match)
                modified = True
        return ir.passes.PassResult(model, modified=modified)


def _match(node: ir.Node) -> Match | None:
    """Bounds of the node itself, tightened by the bounds of the node before it."""
    own = _bounds(node)
    if own is None:
        return None
    source, low, high = own
    inner = next(
        (
            found
            for operator in ("Relu", "Clip", "Min", "Max")
            if (before := producer(source, operator)) and (found := _bounds(before))
        ),
        None,
    )
    # One clip after another is a clip to what both ranges share.
    if inner is not None and (max(low, inner[1]), min(high, inner[2])) == (0.0, SIX):
        return Match(node, inner[0])
    return Match(node, source) if (low, high) == (0.0, SIX) and not _is_canonical(node) else None


def _bounds(node: ir.Node) -> tuple[ir.Value, float, float] | None:
    """(x, low, high) of a node that clips x by constants."""
    if is_operator(node, "Relu") and node.inputs[0] is not None:
        return node.inputs[0], 0.0, np.inf
    if is_operator(node, "Clip") and node.inputs[0] is not None:
        low = _optional(node, 1, -np.inf)
        high = _optional(node, 2, np.inf)
        return None if low is None or high is None else (node.inputs[0], low, high)
    if is_operator(node, "Min", "Max") and len(node.inputs) == 2:
        for value, bound in (node.inputs, node.inputs[::-1]):
            limit = scalar(bound)
            if value is None or constant(value) is not None or limit is None:
                continue
            if (rank(bound) or 0) <= (rank(value) or 0):
                return (value, -np.inf, limit) if node.op_type == "Min" else (value, limit, np.inf)
    return None


def _optional(node: ir.Node, index: int, otherwise: float) -> float | None:
    if len(node.inputs) <= index or node.inputs[index] is None:
        return otherwise
    return scalar(node.inputs[index])


def _is_canonical(node: ir.Node) -> bool:
    return is_operator(node, "Clip") and all(
        # With a number behind it where the network clips in several precisions.
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
