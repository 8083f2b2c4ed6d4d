"""Folding of sizes that a graph computes from the shapes of its own values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_operator, new_initialiser, rank, scalar
from edgecnn_exporters.passes.rewrite import Refusal, RewriteRule, apply_rules
from edgecnn_runtime.arrays import Array

# A static size, or the symbolic one of a dynamic axis.
Size = int | ir.SymbolicDim


@dataclass(frozen=True)
class Match:
    """A node that computes from static shapes the sizes in `value`."""

    node: ir.Node
    value: Array


class FoldSizes(ir.passes.InPlacePass):
    """A value that is computed from static shapes becomes a constant.

    ``Gather(Shape(x), i)`` and the like, as TorchScript writes ``x.size(i)``; onnxscript's folder
    skips it where i is a scalar. Left alone: sizes that depend on a dynamic axis, and
    computations other than selection and concatenation, which FoldConstants does.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(model, RewriteRule(_match, _rewrite))


def _match(node: ir.Node) -> Match | Refusal | None:
    output = node.outputs[0]
    axes = rank(output)
    if axes not in (0, 1) or output.is_graph_output():
        return None
    known = sizes(output)
    if known is None:
        return None
    if not all(isinstance(size, int) for size in known):
        return Refusal("it depends on a dynamic axis")
    return Match(node, np.array(known, np.int64).reshape(() if axes == 0 else -1))


def _rewrite(graph: ir.Graph, match: Match) -> None:
    output = match.node.outputs[0]
    output.replace_all_uses_with(new_initialiser(graph, f"{output.name}.value", match.value))
    graph.remove(match.node, safe=True)


def sizes(value: ir.Value | None) -> tuple[Size, ...] | None:
    """The numbers in a scalar or vector of int64 that is computed from shapes; None if unknown."""
    if value is None or value.dtype not in (None, ir.DataType.INT64):
        return None
    array = constant(value)
    if array is not None:
        return tuple(int(size) for size in array.reshape(-1)) if array.ndim < 2 else None
    node = value.producer()
    if node is None:
        return None
    if is_operator(node, "Shape"):
        return _of_shape(node)
    if is_operator(node, "Concat"):
        return _joined([sizes(part) for part in node.inputs])
    if is_operator(node, "Gather"):
        return _gathered(sizes(node.inputs[0]), constant(node.inputs[1]))
    if is_operator(node, "Slice"):
        return _sliced(sizes(node.inputs[0]), node)
    if is_operator(node, "Unsqueeze", "Squeeze", "Reshape", "Cast", "Identity"):
        return sizes(node.inputs[0]) if (rank(value) or 0) < 2 else None
    return None


def _of_shape(node: ir.Node) -> tuple[Size, ...] | None:
    source = node.inputs[0]
    if source is None or source.shape is None:
        return None
    axes = len(source.shape)
    start = node.attributes.get_int("start", 0)
    return tuple(source.shape)[start : node.attributes.get_int("end", axes)]


def _joined(parts: list[tuple[Size, ...] | None]) -> tuple[Size, ...] | None:
    known = [part for part in parts if part is not None]
    return tuple(size for part in known for size in part) if len(known) == len(parts) else None


def _gathered(elements: tuple[Size, ...] | None, indices: Array | None) -> tuple[Size, ...] | None:
    if elements is None or indices is None or indices.ndim > 1:
        return None
    return tuple(elements[int(index)] for index in indices.reshape(-1))


def _sliced(elements: tuple[Size, ...] | None, node: ir.Node) -> tuple[Size, ...] | None:
    start, end = (scalar(value) for value in node.inputs[1:3])
    step = scalar(node.inputs[4]) if len(node.inputs) > 4 else 1.0
    if elements is None or start is None or end is None or step is None:
        return None
    return elements[int(start) : int(end) : int(step)]
