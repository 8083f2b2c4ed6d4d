"""Reshape, Transpose, Slice, Split and the like: channel numbers, and no data is moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.targets.native.errors import NoKernel
from edgecnn_exporters.targets.native.layers import Layer, Window
from edgecnn_exporters.targets.native.reading import Operator, Reader
from edgecnn_exporters.targets.native.rearranging import blocks_to_pixels
from edgecnn_exporters.targets.native.records import TAP_SHIFT, Code
from edgecnn_exporters.targets.native.values import Function, Held, Moved, Result, Value


def same_value(reader: Reader, node: ir.Node) -> None:
    """Identity and Dropout."""
    reader.keep(node, reader.unarranged(node))


def reshape(reader: Reader, node: ir.Node) -> None:
    """Reshape, Flatten, Squeeze and Unsqueeze."""
    value, shape = reader.unarranged(node), shape_of(node.outputs[0])
    if isinstance(value, Result):
        if value.size[1:] != (1, 1):
            raise NoKernel(node, "it reshapes sums that are not held in 8 bits")
        reader.keep(node, value)
        return
    if isinstance(value, Moved):
        reader.keep(node, replace(value, index=value.index.reshape(shape)))
        return
    held = _held(node, value)
    moved = _reshaped(held, shape)
    if moved is not None:
        reader.keep(node, _with(value, moved))
        return
    reader.keep(node, Moved.of(_only_held(node, value), shape))


def _held(node: ir.Node, value: Value) -> Held:
    if isinstance(value, Held):
        return value
    if isinstance(value, Function):
        return value.held
    raise NoKernel(node, "what it moves is not held in 8 bits")


def _only_held(node: ir.Node, value: Value) -> Held:
    if isinstance(value, Held):
        return value
    raise NoKernel(node, "it moves pixels of what is not held in 8 bits")


def _with(value: Value, moved: Held) -> Value:
    return replace(value, held=moved) if isinstance(value, Function) else moved


def _reshaped(held: Held, shape: tuple[int, ...]) -> Held | None:
    """The same values in another shape; None where pixels would change places."""
    size, count = held.image.size, held.channels.size
    if size == (1, 1):
        return replace(held, channels=held.channels.reshape(shape))
    if shape[-2:] == size and prod(shape[:-2]) == count:
        return replace(held, channels=held.channels.reshape(shape[:-2]), is_flat=False)
    if prod(shape) == shape[-1] == count * prod(size):
        return replace(held, channels=held.channels.reshape(1, -1), is_flat=True)
    return None


def transpose(reader: Reader, node: ir.Node) -> None:
    """Transpose of axes before height and width, as in a channel shuffle."""
    value = reader.unarranged(node)
    rank = len(shape_of(node.outputs[0]))
    order = list(node.attributes.get_ints("perm", tuple(reversed(range(rank)))))
    if isinstance(value, Moved):
        reader.keep(node, replace(value, index=value.index.transpose(order)))
        return
    held = _held(node, value)
    channels = held.channels
    if held.image.size != (1, 1):
        if held.is_flat or order[-2:] != [rank - 2, rank - 1]:
            moved = Moved.of(_only_held(node, value), shape_of(node.inputs[0]))
            reader.keep(node, replace(moved, index=moved.index.transpose(order)))
            return
        order = order[:-2]
        channels = channels.reshape(shape_of(node.inputs[0])[:-2])
    else:
        channels = channels.reshape(shape_of(node.inputs[0]))
    reader.keep(node, _with(value, replace(held, channels=channels.transpose(order))))


def split(reader: Reader, node: ir.Node) -> None:
    """Split along the channels."""
    axis, start = node.attributes.get_int("axis", 0), 0
    for index, output in enumerate(node.outputs):
        count = shape_of(output)[axis]
        reader.keep(node, _taken(reader, node, {axis: slice(start, start + count)}), index)
        start += count


def slice_(reader: Reader, node: ir.Node) -> None:
    """Slice, with constant bounds."""
    rank = len(shape_of(node.outputs[0]))
    rows = [constant(value) for value in node.inputs[1:]]
    starts, ends = rows[0], rows[1]
    if starts is None or ends is None:
        raise NoKernel(node, "its bounds are computed", "give them as constants")
    count = len(starts)
    axes = np.arange(count) if len(rows) < 3 or rows[2] is None else rows[2]
    steps = np.ones(count, int) if len(rows) < 4 or rows[3] is None else rows[3]
    source = shape_of(node.inputs[0])
    taken = {
        int(axis) % rank: slice(*_bounds(int(start), int(end), int(step), source[int(axis) % rank]))
        for axis, start, end, step in zip(axes, starts, ends, steps, strict=True)
    }
    reader.keep(node, _taken(reader, node, taken))


def _bounds(start: int, end: int, step: int, size: int) -> tuple[int, int | None, int]:
    """ONNX's bounds as Python's, where an end before the first element is None."""
    first, last, step = slice(start, end, step).indices(size)
    return first, None if last < 0 else last, step


def _taken(reader: Reader, node: ir.Node, taken: Mapping[int, slice]) -> Value:
    """Some channels, rows and columns of a value."""
    value, shape = reader.unarranged(node), shape_of(node.inputs[0])
    parts = tuple(taken.get(axis, slice(None)) for axis in range(len(shape)))
    if isinstance(value, Moved):
        return replace(value, index=value.index[parts])
    held = _held(node, value)
    has_pixels = held.image.size != (1, 1)
    if held.is_flat:
        moved = Moved.of(_only_held(node, value), shape)
        return replace(moved, index=moved.index[parts])
    lead = shape[:-2] if has_pixels else shape
    channels = held.channels.reshape(lead)
    held = replace(held, channels=channels[parts[: len(lead)]])
    if has_pixels:
        rows, columns = (
            np.arange(shape[axis])[taken.get(axis, slice(None))]
            for axis in (-2 % len(shape), -1 % len(shape))
        )
        held = moved_pixels(
            reader, str(node.outputs[0].name), held, rows.tolist(), columns.tolist()
        )
    return _with(value, held)


def moved_pixels(
    reader: Reader, name: str, held: Held, rows: Sequence[int], columns: Sequence[int]
) -> Held:
    """An image of these rows and columns of another, by RESIZE; that image where they are all."""
    before = held.image
    if list(rows) == list(range(before.height)) and list(columns) == list(range(before.width)):
        return held
    source = reader.whole(held)
    channels = source.channels
    image = reader.image(name, (channels, len(rows), len(columns)), held.encoding)
    index = np.array([*rows, *columns])
    reader.add(Layer(Code.RESIZE, (source.name,), image.name, channels, channels, index=index))
    return Held(image, np.arange(channels).reshape(held.channels.shape))


def depth_to_space(reader: Reader, node: ir.Node) -> None:
    """DepthToSpace: blocks of pixels from the channels of one, in the order DCR or CRD."""
    held, (_, channels, height, width) = _pixels(reader, node), shape_of(node.outputs[0])
    block = node.attributes.get_int("blocksize", 1)
    numbers = held.channels.reshape(-1)
    if node.attributes.get_string("mode", "DCR") == "DCR":
        index = numbers.reshape(block, block, channels)
    else:
        index = numbers.reshape(channels, block, block).transpose(1, 2, 0)
    image = reader.image(str(node.outputs[0].name), (channels, height, width), held.encoding)
    layer = Layer(
        Code.DEPTH_TO_SPACE, (held.image.name,), image.name, held.image.channels, channels
    )
    reader.add(blocks_to_pixels(layer, (block, block), index))
    reader.keep(node, Held(image, np.arange(channels)[None]))


def space_to_depth(reader: Reader, node: ir.Node) -> None:
    """SpaceToDepth: a block of pixels becomes the channels of one, by CHANNELS of a window."""
    held, (_, channels, height, width) = _pixels(reader, node), shape_of(node.outputs[0])
    block = node.attributes.get_int("blocksize", 1)
    taps = np.arange(block * block)[:, None] << TAP_SHIFT
    image = reader.image(str(node.outputs[0].name), (channels, height, width), held.encoding)
    layer = Layer(Code.CHANNELS, (held.image.name,), image.name, held.image.channels, channels)
    window = Window((block, block), (block, block))
    index = (taps + held.channels.reshape(-1)).reshape(-1)
    reader.add(replace(layer, window=window, index=index))
    reader.keep(node, Held(image, np.arange(channels)[None]))


def _pixels(reader: Reader, node: ir.Node) -> Held:
    """What a node reads, held in 8 bits with its rows and columns."""
    held = reader.held(node)
    if held.is_flat:
        raise NoKernel(node, "it takes pixels of a flattened image")
    return held


def shape_of(value: ir.Value | None) -> tuple[int, ...]:
    """The sizes of a value, all of them known."""
    assert value is not None
    assert value.shape is not None
    return tuple(int(size) for size in value.shape.numpy())


OPERATORS: Mapping[str, Operator] = {
    "DepthToSpace": depth_to_space,
    "Dropout": same_value,
    "Flatten": reshape,
    "Identity": same_value,
    "Reshape": reshape,
    "Slice": slice_,
    "SpaceToDepth": space_to_depth,
    "Split": split,
    "Squeeze": reshape,
    "Transpose": transpose,
    "Unsqueeze": reshape,
}
