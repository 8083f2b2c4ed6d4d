"""Flattening in one form."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import onnx_ir as ir

from edgecnn_exporters.passes.graph import (
    can_take_out,
    constant,
    extent,
    is_operator,
    is_set,
    producer,
    rank,
    replace_node,
    take_out,
)


@dataclass(frozen=True)
class Match:
    """A node that makes (N, rest) of `source` (N, …)."""

    node: ir.Node
    source: ir.Value


class CanonicaliseFlatten(ir.passes.InPlacePass):
    """What keeps the batch and joins all other axes becomes ``Flatten(axis = 1)``.

    ``Reshape(x, (-1 or 0 or N, rest))`` where ``rest`` is the product of x's other, static axes, or
    ``-1`` beside the batch · ``Squeeze`` of other axes
    than the batch down to (N, rest) · ``Flatten`` whose axis 1 is counted from the end ·
    ``Flatten(y)`` where y is x with other axes than the batch joined, split, added or squeezed.
    ``Flatten`` of (N, rest) goes. Left alone: a target that is computed, sizes that are unknown,
    a y with a second reader.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in model.graph:
            match = _match_reshape(node) or _match_squeeze(node) or _match_axis_from_end(node)
            if match is not None:
                flatten = ir.node("Flatten", [match.source], attributes={"axis": 1})
                replace_node(model.graph, match.node, flatten)
                modified = True
        for node in model.graph:
            while inner := _reshaped_before(node):
                node.replace_input_with(0, inner.inputs[0])
                model.graph.remove(inner, safe=True)
                modified = True
            if _is_flatten(node) and rank(node.inputs[0]) == 2 and can_take_out(node):
                take_out(model.graph, node)
                modified = True
        return ir.passes.PassResult(model, modified=modified)


def _match_reshape(node: ir.Node) -> Match | None:
    if not is_operator(node, "Reshape"):
        return None
    source = node.inputs[0]
    if source is None or (rank(source) or 0) < 2:
        return None
    axes = [extent(source, axis) for axis in range(1, rank(source) or 0)]
    rest = None if None in axes else prod(axis or 0 for axis in axes)
    target = constant(node.inputs[1])
    if target is None or target.shape != (2,):
        return None
    batch = extent(source, 0)
    first, second = (int(size) for size in target)
    copies_batch = first == 0 and not is_set(node, "allowzero")
    keeps_batch = copies_batch or (batch is not None and first == batch)
    joins = rest is not None and second == rest
    if (keeps_batch and (second == -1 or joins)) or (first == -1 and joins):
        return Match(node, source)
    return None


def _match_squeeze(node: ir.Node) -> Match | None:
    if not is_operator(node, "Squeeze") or not _keeps_batch(node):
        return None
    source = node.inputs[0]
    return Match(node, source) if source is not None and rank(node.outputs[0]) == 2 else None


def _match_axis_from_end(node: ir.Node) -> Match | None:
    if not is_operator(node, "Flatten"):
        return None
    source = node.inputs[0]
    axis = node.attributes.get_int("axis", 1)
    axes = rank(source)
    if source is None or axes is None or axis >= 0 or axis + axes != 1:
        return None
    return Match(node, source)


def _is_flatten(node: ir.Node) -> bool:
    return is_operator(node, "Flatten") and node.attributes.get_int("axis", 1) == 1


def _reshaped_before(node: ir.Node) -> ir.Node | None:
    """The node before a Flatten that changes what the Flatten undoes."""
    if not _is_flatten(node):
        return None
    before = next(
        (
            found
            for operator in ("Reshape", "Flatten", "Squeeze", "Unsqueeze")
            if (found := producer(node.inputs[0], operator))
        ),
        None,
    )
    return before if before is not None and _keeps_batch(before) else None


def _keeps_batch(node: ir.Node) -> bool:
    """Whether a node that only gives its values another shape leaves axis 0 as it is."""
    if _is_flatten(node):
        return True
    sizes = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    if sizes is None:
        return False
    if is_operator(node, "Reshape"):
        return len(sizes) > 0 and sizes[0] == 0 and not is_set(node, "allowzero")
    # Axes are counted in the larger of the two shapes.
    larger = rank(node.inputs[0] if is_operator(node, "Squeeze") else node.outputs[0])
    if larger is None or not is_operator(node, "Squeeze", "Unsqueeze"):
        return False
    return all(int(axis) % larger != 0 for axis in sizes)
