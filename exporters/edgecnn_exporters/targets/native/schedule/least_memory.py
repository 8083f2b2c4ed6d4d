"""Grouping of layers for the least memory: long chains that run row by row, all between in rings.

A group of a layer and those behind it needs its rings and whatever is stored meanwhile for other
groups. The groups are those whose greatest need is the least: the best end of a chain follows from
the best ends before it (dynamic programming), as what a group needs depends on its ends alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgecnn_exporters.targets.native.layers import IntegerNetwork, Role
from edgecnn_exporters.targets.native.schedule.grouping import Group
from edgecnn_exporters.targets.native.schedule.memory import aligned, row_bytes
from edgecnn_exporters.targets.native.schedule.row_order import ring_rows, sums_rows

# Of the format: operations of a group.
MOST_LAYERS = 256


@dataclass(frozen=True)
class _Span:
    """An image within the network, from the first layer that writes it to the last that uses it.

    Attributes:
        row: bytes of a row.
        least: rows that a ring of it has at least.
    """

    name: str
    first: int
    last: int
    row: int
    rows: int
    least: int

    @property
    def size(self) -> int:
        return aligned(self.row * self.rows)


@dataclass(frozen=True, order=True)
class _Best:
    """The least need of the layers up to some place, and where the last of their groups begins."""

    need: int
    groups: int
    begin: int


def group_for_least_memory(network: IntegerNetwork) -> tuple[Group, ...]:
    """The groups of a network, its layers in their order, that need the least memory."""
    spans = _spans(network)
    best = [_Best(0, 0, 0)]
    for end in range(1, len(network.layers) + 1):
        best.append(_best_group(network, spans, best, end))
    ends = [len(network.layers)]
    while ends[-1]:
        ends.append(best[ends[-1]].begin)
    ends.reverse()
    return tuple(_group(network, spans, *ends[at : at + 2]) for at in range(len(ends) - 1))


def _best_group(
    network: IntegerNetwork, spans: Sequence[_Span], best: Sequence[_Best], end: int
) -> _Best:
    """The best last group of the layers before `end`."""
    candidates = []
    for begin in range(end - 1, max(end - MOST_LAYERS, 0) - 1, -1):
        least = _need(spans, begin, end, None)
        before = best[begin]
        candidates.append(_Best(max(before.need, least), before.groups + 1, begin))
    chosen: _Best | None = None
    # Exact needs are at least the bounds, so that few are computed.
    for bound in sorted(candidates):
        if chosen is not None and bound >= chosen:
            break
        layers, names = network.layers[bound.begin : end], _rings(spans, bound.begin, end)
        rows = ring_rows(layers, network.images, names)
        need = max(best[bound.begin].need, _need(spans, bound.begin, end, rows))
        found = _Best(need, bound.groups, bound.begin)
        chosen = found if chosen is None else min(chosen, found)
    assert chosen is not None
    return chosen


def _need(spans: Sequence[_Span], begin: int, end: int, rows: dict[str, int] | None) -> int:
    """Bytes of the group of layers begin … end - 1, with the least rows of its rings or these."""
    need = 0
    for span in spans:
        if span.last < begin or span.first >= end:
            continue
        if begin <= span.first and span.last < end:
            need += aligned(span.row * (span.least if rows is None else rows[span.name]))
        else:
            need += span.size
    return need


def _rings(spans: Sequence[_Span], begin: int, end: int) -> set[str]:
    """Images that only the layers begin … end - 1 write and read."""
    return {span.name for span in spans if begin <= span.first and span.last < end}


def _group(network: IntegerNetwork, spans: Sequence[_Span], begin: int, end: int) -> Group:
    layers, images, names = network.layers[begin:end], network.images, _rings(spans, begin, end)
    if not names:
        return Group(layers, images[layers[-1].output].height, {})
    return Group(layers, 1, ring_rows(layers, images, names), is_in_order=True)


def _spans(network: IntegerNetwork) -> list[_Span]:
    places: dict[str, tuple[int, int]] = {}
    least: dict[str, int] = {}
    images = network.images
    for place, layer in enumerate(network.layers):
        for index, name in enumerate((*layer.inputs, layer.output)):
            places[name] = (places.get(name, (place, place))[0], place)
            least[name] = max(least.get(name, 1), _rows_at_once(network, place, index))
    return [
        _Span(name, *span, row_bytes(network, images[name]), images[name].height, least[name])
        for name, span in places.items()
        if images[name].role is Role.INNER
    ]


def _rows_at_once(network: IntegerNetwork, place: int, index: int) -> int:
    """Rows of an input of a layer, or of its output behind them, that are needed at once."""
    layer, images = network.layers[place], network.images
    if index == len(layer.inputs):
        return 1
    source = images[layer.inputs[index]]
    if layer.inputs[index] in layer.reads_whole and not sums_rows(layer, layer.inputs):
        return source.height
    if index or sums_rows(layer, layer.inputs):
        return 1
    spans = (
        layer.window.rows(row, row + 1, source.height) for row in range(images[layer.output].height)
    )
    return max(1, *(high - low for low, high in spans))
