"""Memory of a plan: layout of each image, offsets in the arena and in the scratch memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgecnn_exporters.targets.native.folding import needs_pads
from edgecnn_exporters.targets.native.layers import Image, IntegerNetwork, Layer, Role
from edgecnn_exporters.targets.native.packing import LANES, QUAD, rounded_up
from edgecnn_exporters.targets.native.records import ALIGNMENT, Code, Storage
from edgecnn_exporters.targets.native.schedule.grouping import BLOCK, Group
from edgecnn_exporters.targets.native.schedule.row_order import sums_rows

SUM_BYTES = 4
WINDOWED = frozenset(
    {
        *(Code.CONVOLUTION, Code.DEPTHWISE, Code.GROUPED),
        *(Code.MAX_POOL, Code.AVERAGE_POOL),
    }
)


@dataclass(frozen=True)
class Layout:
    """How an image lies in memory: plan.h, struct plan_tensor.

    Attributes:
        pads: pixels to the left and right of every row.
        offset: in the arena or in the scratch memory.
    """

    storage: Storage
    pitch: int = 0
    block: int = 0
    rows: int = 0
    pads: tuple[int, int] = (0, 0)
    pad_value: int = 0
    offset: int = 0

    def row_bytes(self, width: int) -> int:
        """Of one row of the first block of channels, with its pads."""
        return (self.pads[0] + width + self.pads[1]) * self.block


@dataclass(frozen=True)
class Memory:
    """Layouts by image, offsets of pad rows by (group, layer), and sizes."""

    layouts: Mapping[str, Layout]
    pad_rows: Mapping[tuple[int, int], int]
    arena: int
    scratch: int


@dataclass(frozen=True)
class Interval:
    """Bytes that are needed from one group to another, both included."""

    name: str
    size: int
    first: int
    last: int


def place(network: IntegerNetwork, groups: Sequence[Group]) -> Memory:
    """A place for every image and pad row."""
    layouts = {name: _layout(network, image) for name, image in network.images.items()}
    for group in groups:
        storage = Storage.ARENA_RING if group.is_in_order else Storage.RING
        for name, rows in group.rings.items():
            block = BLOCK if name in group.looped else layouts[name].pitch
            layouts[name] = replace(layouts[name], storage=storage, rows=rows, block=block)
    offsets, arena = assign(_lifetimes(network, groups, layouts))
    pad_rows: dict[tuple[int, int], int] = {}
    scratch = 0
    for number, group in enumerate(groups):
        at = 0
        for name in () if group.is_in_order else group.rings:
            offsets[name] = at
            at += aligned(size_of(network.images[name], layouts[name]))
        places, at = _pad_rows(network, group, layouts, at)
        pad_rows.update({(number, index): place for index, place in places.items()})
        scratch = max(scratch, at)
    placed = {
        name: replace(layout, offset=offsets.get(name, 0)) for name, layout in layouts.items()
    }
    return Memory(placed, pad_rows, arena, scratch)


def _pad_rows(
    network: IntegerNetwork, group: Group, layouts: Mapping[str, Layout], at: int
) -> tuple[dict[int, int], int]:
    """Places of a group's pad rows and sums of pools from `at` on, by layer; and their end.

    In a group that runs in order, pad rows of one value share a place.
    """
    places: dict[int, int] = {}
    shared: dict[int, list[int]] = {}
    sizes: dict[int, int] = {}
    for index, layer in enumerate(group.layers):
        source = layer.inputs[0]
        if group.is_in_order and sums_rows(layer, group.rings):
            places[index] = at
            at += aligned(SUM_BYTES * rounded_up(layer.channels, LANES))
        elif _reads_pad_row(layer, network.images):
            sizes[index] = aligned(layouts[source].row_bytes(network.images[source].width))
            value = layouts[source].pad_value if group.is_in_order else index
            shared.setdefault(value, []).append(index)
    for indices in shared.values():
        places.update(dict.fromkeys(indices, at))
        at += max(sizes[index] for index in indices)
    return places, at


def _layout(network: IntegerNetwork, image: Image) -> Layout:
    """The layout of an image that is stored whole."""
    if image.role is not Role.INNER:
        storage = Storage.INPUT if image.role is Role.INPUT else Storage.OUTPUT
        return Layout(storage, rows=image.height)
    readers = [layer for layer in network.layers if layer.inputs[0] == image.name]
    writers = [layer for layer in network.layers if layer.output == image.name]
    is_small = image.channels <= QUAD and all(
        layer.code is Code.CONVOLUTION for layer in network.layers if image.name in layer.inputs
    )
    is_first = all(layer.code is Code.QUANTISE for layer in writers)
    pitch = QUAD if is_small and is_first else rounded_up(image.channels, LANES)
    windows = [
        layer for layer in readers if layer.code in WINDOWED and needs_pads(layer, network.images)
    ]
    left = max((layer.window.pads[1] for layer in windows), default=0)
    right = max((_columns_behind(layer, network) for layer in windows), default=0)
    pools = [layer for layer in windows if layer.code is Code.MAX_POOL]
    zero = image.encoding.zero_point if image.encoding is not None else 0
    is_pooled = len(pools) == len(windows) and bool(pools)
    return Layout(
        Storage.ARENA,
        pitch,
        pitch,
        image.height,
        (left, right),
        0 if is_pooled else zero,
    )


def _columns_behind(layer: Layer, network: IntegerNetwork) -> int:
    source, result = network.images[layer.inputs[0]], network.images[layer.output]
    return layer.window.columns_behind(result.width, source.width)


def _reads_pad_row(layer: Layer, images: Mapping[str, Image]) -> bool:
    source, result = images[layer.inputs[0]], images[layer.output]
    return layer.code in WINDOWED and layer.window.leaves_rows(result.height, source.height)


def size_of(image: Image, layout: Layout) -> int:
    """Bytes of the image in memory."""
    return layout.rows * (layout.pads[0] + image.width + layout.pads[1]) * layout.pitch


def row_bytes(network: IntegerNetwork, image: Image) -> int:
    """Bytes of a row of an image within the network, with its pads."""
    return _layout(network, image).row_bytes(image.width)


def _lifetimes(
    network: IntegerNetwork, groups: Sequence[Group], layouts: Mapping[str, Layout]
) -> list[Interval]:
    """From the first group that writes a stored image to the last that uses it."""
    spans: dict[str, tuple[int, int]] = {}
    for number, group in enumerate(groups):
        for layer in group.layers:
            for name in (*layer.inputs, layer.output):
                spans[name] = (spans.get(name, (number, number))[0], number)
    return [
        Interval(name, size_of(network.images[name], layouts[name]), *span)
        for name, span in spans.items()
        if layouts[name].storage in (Storage.ARENA, Storage.ARENA_RING)
    ]


def assign(intervals: Sequence[Interval]) -> tuple[dict[str, int], int]:
    """Offsets at which no two that are needed at once overlap, the largest first; and all bytes."""
    offsets: dict[str, int] = {}
    placed: list[tuple[Interval, int]] = []
    total = 0
    for each in sorted(intervals, key=lambda each: (-each.size, each.first, each.name)):
        others = sorted(
            (offset, offset + aligned(other.size))
            for other, offset in placed
            if other.first <= each.last and each.first <= other.last
        )
        at = 0
        for start, end in others:
            if at + aligned(each.size) <= start:
                break
            at = max(at, end)
        offsets[each.name] = at
        placed.append((each, at))
        total = max(total, at + aligned(each.size))
    return offsets, total


def aligned(size: int) -> int:
    """The size, rounded up to a multiple of 64."""
    return rounded_up(size, ALIGNMENT)
