"""Order of rows in a group that runs in order: one row at a time, as the rows behind it ask for it.

The last layer's rows are made from the first to the last. Before a layer makes a row, each layer
whose image it reads makes the rows that are missing for it, in the same way, one after another; and
each layer before it that writes into the same image makes that row. No row is made twice, and a
ring holds little more than the rows of one window. At the end what is stored for other groups is
completed, in the order of the layers. native/src/row_order.c does the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgecnn_exporters.targets.native.layers import Image, Layer
from edgecnn_exporters.targets.native.records import Code
from edgecnn_exporters.targets.native.schedule.strips import Rows


@dataclass(frozen=True)
class _Step:
    """A layer of a group.

    Attributes:
        makers: places of layers before it, with the rows of their image that must be there before
            each of its rows: those that it is computed from; the same row of its own image.
        rows: that it makes; of a pool that sums row by row, that it reads.
        is_sum: the layer is such a pool.
    """

    makers: tuple[tuple[int, tuple[Rows, ...]], ...]
    rows: int
    is_sum: bool

    def made(self, done: int) -> int:
        """Rows of its image that are there when it has done so many."""
        return done // self.rows if self.is_sum else done


def sums_rows(layer: Layer, rings: Collection[str]) -> bool:
    """Whether a pool over all pixels adds them up row by row, as they come."""
    return layer.code is Code.GLOBAL_POOL and layer.inputs[0] in rings


def ring_rows(
    group: Sequence[Layer], images: Mapping[str, Image], rings: Collection[str]
) -> dict[str, int]:
    """Rows that each ring of a group that runs in order must hold."""
    steps = _steps(group, images, rings)
    held = dict.fromkeys(sorted(rings), 1)
    done = [0] * len(group)
    for place, row in _order(steps, [layer.output not in rings for layer in group]):
        for maker, wanted in steps[place].makers:
            name = group[maker].output
            if name in held:
                rows = steps[maker].made(done[maker]) - wanted[row][0]
                held[name] = max(held[name], rows)
        done[place] += 1
    return held


def _steps(
    group: Sequence[Layer], images: Mapping[str, Image], rings: Collection[str]
) -> list[_Step]:
    steps = []
    for place, layer in enumerate(group):
        is_sum = sums_rows(layer, rings)
        rows = images[layer.inputs[0] if is_sum else layer.output].height
        own = tuple((0, 1) if is_sum else (row, row + 1) for row in range(rows))
        makers = [(at, own) for at in range(place) if group[at].output == layer.output]
        for index, name in enumerate(layer.inputs):
            height = images[name].height
            wanted = tuple(_wanted(layer, index, row, height, is_sum) for row in range(rows))
            makers += [(at, wanted) for at in range(place) if group[at].output == name]
        steps.append(_Step(tuple(sorted(makers, key=lambda each: each[0])), rows, is_sum))
    return steps


def _wanted(layer: Layer, index: int, row: int, height: int, is_sum: bool) -> Rows:
    """The rows of an input that a row of the layer is computed from."""
    if is_sum:
        return row, row + 1
    if layer.inputs[index] in layer.reads_whole:
        return 0, height
    return (row, row + 1) if index else layer.window.rows(row, row + 1, height)


def _order(steps: Sequence[_Step], is_stored: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Places and rows, one after another."""
    done = [0] * len(steps)
    last = len(steps) - 1
    for target in [last, *[place for place in range(last) if is_stored[place]]]:
        asked = [target]
        while done[target] < steps[target].rows:
            place = asked[-1]
            lacking = _lacking(steps, done, place)
            if lacking is not None:
                asked.append(lacking)
                continue
            yield place, done[place]
            done[place] += 1
            if place != target:
                asked.pop()


def _lacking(steps: Sequence[_Step], done: Sequence[int], place: int) -> int | None:
    """The first layer that has not made what the next row of another one is computed from."""
    for maker, wanted in steps[place].makers:
        if steps[maker].made(done[maker]) < wanted[done[place]][1]:
            return maker
    return None
