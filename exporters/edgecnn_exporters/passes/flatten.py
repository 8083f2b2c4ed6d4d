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
    scalar,
    take_out,
)


@dataclass(frozen=True)
class Match:
    """A Reshape or Squeeze of `source` (N, …) to (N, rest)."""

    node: ir.Node
    source: ir.Value


class CanonicaliseFlatten(ir.passes.InPlacePass):
    """What keeps the batch and joins all other axes becomes ``Flatten(axis = 1)``.

    ``Reshape(x, (-1 or 0 or N, rest))`` where ``rest`` is the product of x's other, static axes, or
    ``-1`` beside the batch, the batch also as read from a ``Shape`` · ``Squeeze`` of the last two
    axes of a (N, C, 1, 1) map ·
    ``Flatten(Flatten(x))``. Left alone: a target that is computed, sizes that are unknown.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        matches = [m for node in model.graph if (m := _match_reshape(node) or _match_squeeze(node))]
        for match in matches:
            flatten = ir.node("Flatten", [match.source], attributes={"axis": 1})
            replace_node(model.graph, match.node, flatten)
        doubled = [node for node in model.graph if _is_second_flatten(node)]
        for node in doubled:
            take_out(model.graph, node)
        return ir.passes.PassResult(model, modified=bool(matches or doubled))


def _match_reshape(node: ir.Node) -> Match | None:
    if not is_operator(node, "Reshape"):
        return None
    source = node.inputs[0]
    if source is None or (rank(source) or 0) < 2:
        return None
    axes = [extent(source, axis) for axis in range(1, rank(source) or 0)]
    rest = None if None in axes else prod(axis or 0 for axis in axes)
    target = constant(node.inputs[1])
    if target is None:
        second = _second_of_computed(node.inputs[1], source)
        return Match(node, source) if second is not None and second in (-1, rest) else None
    if target.shape != (2,):
        return None
    batch = extent(source, 0)
    first, second = (int(size) for size in target)
    copies_batch = first == 0 and not is_set(node, "allowzero")
    keeps_batch = copies_batch or (batch is not None and first == batch)
    joins = rest is not None and second == rest
    if (keeps_batch and (second == -1 or joins)) or (first == -1 and joins):
        return Match(node, source)
    return None


def _second_of_computed(target: ir.Value | None, source: ir.Value) -> int | None:
    """The constant K of a target ``Concat(batch of source, K)``, as TorchScript computes it."""
    concat = target.producer() if target is not None else None
    if concat is None or not is_operator(concat, "Concat") or len(concat.inputs) != 2:
        return None
    second = scalar(concat.inputs[1])
    return int(second) if second is not None and _is_batch(concat.inputs[0], source) else None


def _is_batch(value: ir.Value | None, source: ir.Value) -> bool:
    """Whether `value` is axis 0 of a Shape whose tensor has the batch of `source`."""
    reads_first = False
    while value is not None and (node := value.producer()) is not None:
        if is_operator(node, "Shape"):
            start, end = node.attributes.get_int("start", 0), node.attributes.get_int("end", -1)
            return (reads_first or (start, end) == (0, 1)) and _same_batch(node.inputs[0], source)
        if is_operator(node, "Gather") and scalar(node.inputs[1]) == 0:
            reads_first = True
        elif not is_operator(node, "Unsqueeze", "Squeeze", "Reshape", "Cast", "Identity"):
            return False
        value = node.inputs[0]
    return False


def _same_batch(value: ir.Value | None, source: ir.Value) -> bool:
    if value is source:
        return True
    if value is None or not value.shape or not source.shape:
        return False
    batch = value.shape[0]
    return batch == source.shape[0] and batch != ir.SymbolicDim(None)


def _match_squeeze(node: ir.Node) -> Match | None:
    if not is_operator(node, "Squeeze") or rank(node.inputs[0]) != 4 or len(node.inputs) < 2:
        return None
    source, axes = node.inputs[0], constant(node.inputs[1])
    assert source is not None
    if axes is None or sorted(int(axis) % 4 for axis in axes) != [2, 3]:
        return None
    return Match(node, source)


def _is_second_flatten(node: ir.Node) -> bool:
    if not is_operator(node, "Flatten") or node.attributes.get_int("axis", 1) != 1:
        return False
    before = producer(node.inputs[0], "Flatten")
    return before is not None and before.attributes.get_int("axis", 1) == 1 and can_take_out(node)
