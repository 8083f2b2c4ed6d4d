"""Strips: the rows that the layers of a group read and write for some rows of its last layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgecnn_exporters.targets.native.layers import Image, Layer

Rows = tuple[int, int]


@dataclass(frozen=True)
class Strip:
    """Rows for one strip of a group's last layer.

    Attributes:
        written: by each layer.
        read: of each image, outside images among them.
    """

    written: tuple[Rows, ...]
    read: Mapping[str, Rows]

    def rows_of(self, name: str) -> int:
        """Rows of an image that are read."""
        low, high = self.read.get(name, (0, 0))
        return high - low

    def ring_of(self, name: str, group: Sequence[Layer]) -> int:
        """Rows of an image that are read or written, of which a ring holds all at once."""
        written = [
            high - low
            for (low, high), layer in zip(self.written, group, strict=True)
            if layer.output == name
        ]
        return max(self.rows_of(name), *written)


def strip_of(
    group: Sequence[Layer],
    images: Mapping[str, Image],
    rows: Rows,
    before: Strip | None = None,
) -> Strip:
    """The rows that each layer writes, and those that it reads, for a strip of the last layer.

    A layer that none behind it reads writes the rows of the strip.

    Args:
        before: the strip above it, in the same thread. Layers then write on where they ended,
            rows included that nothing reads, as between windows that are further apart than high.
    """
    written: list[Rows] = []
    read: dict[str, Rows] = {}
    for place, layer in reversed(list(enumerate(group))):
        span = read.get(layer.output, rows) if written else rows
        if before is not None:
            span = (min(span[0], before.written[place][1]), span[1])
        written.append(span)
        for index, name in enumerate(layer.inputs):
            height = images[name].height
            is_whole = name in layer.reads_whole
            wanted = (0, height) if is_whole else span
            if not is_whole and index == 0:
                wanted = layer.window.rows(*span, height)
            known = read.get(name, wanted)
            read[name] = (min(known[0], wanted[0]), max(known[1], wanted[1]))
    return Strip(tuple(reversed(written)), read)
