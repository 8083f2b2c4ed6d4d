"""Circular padding for OpenVINO, which has no mode for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import (
    constant,
    extent,
    is_operator,
    new_initialiser,
    rank,
    replace_node,
)
from edgecnn_exporters.passes.rewrite import Refusal, RewriteRule, apply_rules


@dataclass(frozen=True)
class Match:
    """A circular Pad, and the places of its input that it lays out along an axis, for each axis."""

    node: ir.Node
    places: dict[int, list[int]]


class GatherCircularPad(ir.passes.InPlacePass):
    """``Pad(x)`` of mode ``wrap`` becomes a ``Gather`` along each padded axis.

    Left alone: a padding that is computed or takes away, and an axis of unknown size.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(model, RewriteRule(_match, _rewrite))


def _match(node: ir.Node) -> Match | Refusal | None:
    if not is_operator(node, "Pad") or node.attributes.get_string("mode", "constant") != "wrap":
        return None
    source, axes = node.inputs[0], rank(node.inputs[0])
    amounts = constant(node.inputs[1])
    given = node.inputs[3] if len(node.inputs) > 3 else None
    chosen = np.arange(axes or 0) if given is None else constant(given)
    if source is None or axes is None or amounts is None or chosen is None:
        return Refusal("its padding is computed, or its input has an unknown number of axes")
    if (amounts < 0).any():
        return Refusal("it takes pixels away")
    places = {}
    for axis, before, after in zip(chosen, *np.split(amounts, 2), strict=True):
        size = extent(source, int(axis) % axes)
        if before == after == 0:
            continue
        if size is None:
            return Refusal("the size of a padded axis is unknown")
        places[int(axis) % axes] = [place % size for place in range(-before, size + after)]
    return Match(node, places) if places else None


def _rewrite(graph: ir.Graph, match: Match) -> None:
    node = match.node
    value, name = node.inputs[0], str(node.outputs[0].name)
    assert value is not None
    *first, last = match.places
    for axis in first:
        gather = _gather(graph, node, value, axis, match.places[axis])
        value = gather.outputs[0]
        gather.name = value.name = f"{name}.axis{axis}"
        value.type = node.outputs[0].type
        graph.insert_before(node, gather)
    replace_node(graph, node, _gather(graph, node, value, last, match.places[last]))


def _gather(
    graph: ir.Graph, node: ir.Node, value: ir.Value, axis: int, places: list[int]
) -> ir.Node:
    indices = new_initialiser(graph, f"{node.outputs[0].name}.places", np.array(places, np.int64))
    return ir.node("Gather", [value, indices], attributes={"axis": axis})
