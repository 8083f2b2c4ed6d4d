"""Grouping of layers into strips: which run row by row together, which images are kept in rings.

A group runs strip by strip of its last layer's rows. What only its own layers read is kept in rings
of a few rows; what other groups read is stored whole. The patterns are those that keep a strip in
the first cache: stem, depthwise and projection; expansion, depthwise, projection and sum; what is
behind a global pool. Every other product is a group of its own, with the sums and tables behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from edgecnn_exporters.targets.native.layers import READ_WHOLE, IntegerNetwork, Layer, Role
from edgecnn_exporters.targets.native.records import Code
from edgecnn_exporters.targets.native.schedule.strips import Strip, strip_of

BLOCK = 64
POINTS = frozenset({Code.ADD, Code.MULTIPLY, Code.TABLE, Code.COPY, Code.CHANNELS, Code.DEQUANTISE})
POOLS = frozenset({Code.MAX_POOL, Code.AVERAGE_POOL})
PRODUCTS = frozenset({Code.CONVOLUTION, Code.DEPTHWISE, Code.GROUPED})


@dataclass(frozen=True)
class Caches:
    """Bytes that strips are fitted into.

    Attributes:
        ring: of one block of 64 channels between an expansion and its depthwise convolution.
        strip: of what a projection reads of one strip.
        layer: of the rows that a product alone reads and writes for one strip.
        least_strips: that a product alone is cut into, for threads, where it has four rows a strip.
    """

    ring: int = 24 << 10
    strip: int = 24 << 10
    layer: int = 192 << 10
    least_strips: int = 4


@dataclass(frozen=True)
class Group:
    """Layers that run together, strip by strip.

    Attributes:
        rings: rows of the images that live in rings, by name.
        loop: first layer and number of layers that run once for each 64 channels; (0, 0): none.
        is_in_order: one thread makes row after row, as row_order.py says, with rings in the arena.
    """

    layers: tuple[Layer, ...]
    strip_rows: int
    rings: Mapping[str, int]
    loop: tuple[int, int] = (0, 0)
    is_in_order: bool = False

    @property
    def looped(self) -> frozenset[str]:
        """Images that are laid out in blocks: written and read within the loop."""
        first, count = self.loop
        return frozenset(layer.output for layer in self.layers[first : first + count][:-1])


def group_layers(network: IntegerNetwork, caches: Caches | None = None) -> tuple[Group, ...]:
    """The groups of a network, its layers in their order."""
    grouping = _Grouping(network, caches or Caches())
    groups, at = [], 0
    while at < len(network.layers):
        end = at + 1
        while end < len(network.layers) and grouping.joins(at, end):
            end += 1
        groups.append(grouping.close(at, end))
        at = end
    return tuple(groups)


class _Grouping:
    """Decisions on one network."""

    def __init__(self, network: IntegerNetwork, caches: Caches) -> None:
        self.images = network.images
        self.layers = network.layers
        self.caches = caches
        self.readers: dict[str, set[int]] = {}
        self.writers: dict[str, set[int]] = {}
        for place, layer in enumerate(network.layers):
            self.writers.setdefault(layer.output, set()).add(place)
            for name in layer.inputs:
                self.readers.setdefault(name, set()).add(place)

    def joins(self, first: int, place: int) -> bool:
        """Whether a layer joins the group of those from `first` to the one before it."""
        layer, group = self.layers[place], self.layers[first:place]
        written = {each.output for each in group}
        if not written.intersection(layer.inputs) or written.intersection(layer.reads_whole):
            return False
        return self._is_wanted(layer, group) and self._is_valid(first, place + 1)

    def _is_wanted(self, layer: Layer, group: Sequence[Layer]) -> bool:
        codes = [each.code for each in group]
        products = [code for code in codes if code in PRODUCTS]
        if layer.code in POINTS:
            return True
        if layer.code in POOLS:
            return not POOLS.intersection(codes)
        if layer.code is Code.DEPTHWISE:
            return len(products) == codes.count(Code.CONVOLUTION) <= 1 and not POOLS & set(codes)
        if layer.code is not Code.CONVOLUTION:
            return False
        if Code.GLOBAL_POOL in codes:
            return True
        if not products:
            return True
        return layer.window.is_point and products[-1] is Code.DEPTHWISE

    def rings(self, first: int, end: int) -> set[str]:
        """Images that only layers of this range write and read."""
        inside = set(range(first, end))
        return {
            layer.output
            for layer in self.layers[first:end]
            if self.images[layer.output].role is Role.INNER
            and self.writers[layer.output] | self.readers.get(layer.output, set()) <= inside
        }

    def _is_valid(self, first: int, end: int) -> bool:
        """Whether threads may take any strips of these layers as a group."""
        group, rings = self.layers[first:end], self.rings(first, end)
        written = {layer.output for layer in group}
        stored = written - rings
        if any(
            name in stored and not layer.window.is_point for layer in group for name in layer.inputs
        ):
            return False
        made = [0] * len(group)
        for strip in self._strips(group, 1):
            for place, (low, high) in enumerate(strip.written):
                made[place] = high if low <= made[place] else -1
        return all(
            rows == self.images[layer.output].height
            for rows, layer in zip(made, group, strict=True)
            if layer.output in stored
        )

    def _strips(self, group: Sequence[Layer], rows: int) -> Iterator[Strip]:
        height = self.images[group[-1].output].height
        for start in range(0, height, rows):
            yield strip_of(group, self.images, (start, min(start + rows, height)))

    def close(self, first: int, end: int) -> Group:
        """The group of these layers."""
        group, rings = self.layers[first:end], self.rings(first, end)
        loop = self._loop(group, rings)
        rows = self._strip_rows(group)
        # One row where all windows lie in the pads.
        held = dict.fromkeys(sorted(rings), 1)
        before: Strip | None = None
        for strip in self._strips(group, rows):
            start, end = strip.written[-1]
            after = strip_of(group, self.images, (start, end), before)
            held = {
                name: max(count, strip.ring_of(name, group), after.ring_of(name, group))
                for name, count in held.items()
            }
            before = after
        return Group(group, rows, held, loop)

    def _loop(self, group: Sequence[Layer], rings: set[str]) -> tuple[int, int]:
        """The expansion and depthwise convolution that run channel block by channel block."""
        for place, (before, layer) in enumerate(pairwise(group)):
            if (
                before.code is Code.CONVOLUTION
                and layer.code is Code.DEPTHWISE
                and layer.inputs == (before.output,)
                and before.output in rings
                and len(self.readers[before.output]) == len(self.writers[before.output]) == 1
                and before.output_channels > BLOCK
            ):
                return place, 2
        return 0, 0

    def _strip_rows(self, group: Sequence[Layer]) -> int:
        height = self.images[group[-1].output].height
        if any(each.code in READ_WHOLE - {Code.GLOBAL_POOL} for each in group):
            return height
        depthwise = next((each for each in group if each.code is Code.DEPTHWISE), None)
        # A single row a strip costs more in calls than a ring beyond the first cache does.
        least = min(2, height) if depthwise else 1
        candidates = [r for r in range(least, height + 1) if self._is_even(r, height, group)]
        fitting = [rows for rows in candidates if self._fits(group, rows, depthwise)]
        chosen = fitting or candidates[:1]
        whole = [rows for rows in chosen if height % rows == 0]
        # Strips of one size, unless the largest that fits is far larger.
        if whole and 2 * max(whole) >= max(chosen):
            return max(whole)
        return max(chosen)

    def _is_even(self, rows: int, height: int, group: Sequence[Layer]) -> bool:
        """Whether a depthwise kernel that makes two rows at a time has none left over.

        Kernels multiply input rows by fours, and make two output rows where that takes no more.
        """
        pairs = any(
            layer.code is Code.DEPTHWISE
            and layer.window.stride[0] + layer.window.kernel[0]
            <= -(-layer.window.kernel[0] // 4) * 4
            for layer in group
        )
        return not pairs or rows % 2 == 0 or rows == height

    def _fits(self, group: Sequence[Layer], rows: int, depthwise: Layer | None) -> bool:
        """Whether strips of so many rows stay in the caches."""
        height = self.images[group[-1].output].height
        middle = height // 2
        strips = [
            strip_of(group, self.images, (start, min(start + rows, height)))
            for start in (0, middle)
        ]
        names = {name for layer in group for name in (*layer.inputs, layer.output)}
        sizes = {name: max(strip.rows_of(name) for strip in strips) for name in names}
        sizes[group[-1].output] = rows
        if depthwise is None:
            total = sum(self._bytes(name, count) for name, count in sizes.items())
            spread = height // self.caches.least_strips
            return total <= self.caches.layer and (rows <= max(spread, 4))
        source, result = depthwise.inputs[0], depthwise.output
        if any(layer.output == source for layer in group):
            image = self.images[source]
            width = image.width + 2 * depthwise.window.pads[1]
            ring = sizes[source] * width * min(image.channels, BLOCK)
            return ring <= self.caches.ring
        return self._bytes(result, sizes[result]) <= self.caches.strip

    def _bytes(self, name: str, rows: int) -> int:
        image = self.images[name]
        return rows * image.width * image.channels
