"""Canonical form of flattening: ``Flatten(axis = 1)``."""

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
    maker,
    rank,
    replace_node,
    take_out,
    why_shared,
)
from edgecnn_exporters.passes.rewrite import Refusal, RewriteRule, apply_rules

SHAPED = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")
SPLITS = "it splits or joins the batch"


@dataclass(frozen=True)
class Match:
    """A node that makes (N, rest) of `source` (N, …)."""

    node: ir.Node
    source: ir.Value


@dataclass(frozen=True)
class Chain:
    """A Flatten, and the nodes before it, last first, that only give `source` another shape."""

    flatten: ir.Node
    source: ir.Value | None
    inner: tuple[ir.Node, ...]


class CanonicaliseFlatten(ir.passes.InPlacePass):
    """A node that keeps the batch and joins all other axes becomes ``Flatten(axis = 1)``.

    ``Reshape(x, (-1 or 0 or N, rest))`` where ``rest`` is the product of x's other, static axes, or
    ``-1`` beside the batch · ``Squeeze`` of other axes
    than the batch down to (N, rest) · ``Flatten`` whose axis 1 is counted from the end ·
    ``Flatten(y)`` where y is x with other axes than the batch joined, split, added or squeezed.
    ``Flatten`` of (N, rest) goes. Left alone: a target that is computed, sizes that are unknown,
    a y with a second reader.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(
            model,
            RewriteRule(_match_other_form, _rewrite),
            RewriteRule(_match_chain, _shorten),
            RewriteRule(_match_idle, take_out),
        )


def _match_other_form(node: ir.Node) -> Match | Refusal | None:
    return _match_reshape(node) or _match_squeeze(node) or _match_axis(node)


def _match_reshape(node: ir.Node) -> Match | Refusal | None:
    if not is_operator(node, "Reshape"):
        return None
    source = node.inputs[0]
    if source is None or (rank(source) or 0) < 2:
        return None
    axes = [extent(source, axis) for axis in range(1, rank(source) or 0)]
    rest = None if None in axes else prod(axis or 0 for axis in axes)
    target = constant(node.inputs[1])
    if target is None:
        return Refusal("its target is computed") if rank(node.outputs[0]) == 2 else None
    if target.shape != (2,):
        return None
    batch = extent(source, 0)
    first, second = (int(size) for size in target)
    copies_batch = first == 0 and not is_set(node, "allowzero")
    keeps_batch = copies_batch or (batch is not None and first == batch)
    joins = rest is not None and second == rest
    if (keeps_batch and (second == -1 or joins)) or (first == -1 and joins):
        return Match(node, source)
    is_unknown = rest is None and (keeps_batch or first == -1)
    return Refusal("the size of its input is unknown" if is_unknown else SPLITS)


def _match_squeeze(node: ir.Node) -> Match | Refusal | None:
    source = node.inputs[0] if node.inputs else None
    if not is_operator(node, "Squeeze") or source is None or rank(node.outputs[0]) != 2:
        return None
    return Match(node, source) if _keeps_batch(node) else Refusal("it may squeeze the batch")


def _match_axis(node: ir.Node) -> Match | Refusal | None:
    """A Flatten whose axis is another number than 1."""
    if not is_operator(node, "Flatten"):
        return None
    source = node.inputs[0]
    axis = node.attributes.get_int("axis", 1)
    axes = rank(source)
    if source is None or axis == 1:
        return None
    if axis < 0 and axis + (axes or 0) == 1:
        return Match(node, source)
    return Refusal(f"it flattens from axis {axis}, not from axis 1")


def _rewrite(graph: ir.Graph, match: Match) -> None:
    replace_node(graph, match.node, ir.node("Flatten", [match.source], attributes={"axis": 1}))


def _is_flatten(node: ir.Node) -> bool:
    return is_operator(node, "Flatten") and node.attributes.get_int("axis", 1) == 1


def _match_chain(node: ir.Node) -> Chain | Refusal | None:
    """A Flatten behind nodes whose change of shape it undoes."""
    if not _is_flatten(node):
        return None
    source = node.inputs[0]
    inner: list[ir.Node] = []
    while (before := maker(source, *SHAPED)) is not None and _keeps_batch(before):
        if reason := why_shared(before):
            return Chain(node, source, tuple(inner)) if inner else Refusal(reason)
        inner.append(before)
        source = before.inputs[0]
    return Chain(node, source, tuple(inner)) if inner else None


def _shorten(graph: ir.Graph, chain: Chain) -> None:
    chain.flatten.replace_input_with(0, chain.source)
    for node in chain.inner:
        graph.remove(node, safe=True)


def _match_idle(node: ir.Node) -> ir.Node | Refusal | None:
    """A Flatten of (N, rest)."""
    if not _is_flatten(node) or rank(node.inputs[0]) != 2:
        return None
    if not can_take_out(node):
        return Refusal("it leads straight from an input to an output")
    return node


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
