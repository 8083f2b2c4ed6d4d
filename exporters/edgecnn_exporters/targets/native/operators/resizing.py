"""Resize to the nearest pixel, and Pad: RESIZE by index, PAD with a constant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.targets.native.errors import NoKernel
from edgecnn_exporters.targets.native.layers import Layer, Window
from edgecnn_exporters.targets.native.operators.moving import moved_pixels, shape_of
from edgecnn_exporters.targets.native.reading import Operator, Reader
from edgecnn_exporters.targets.native.records import Code
from edgecnn_exporters.targets.native.values import Constant, Held, integer_bound
from edgecnn_runtime.arrays import Array

# What ONNX Runtime 1.32 takes for half-way between two pixels.
HALF_WAY = np.float32(1e-6)
_ROUNDINGS: Mapping[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda place: _round(place, np.floor(place)),
    "round_prefer_ceil": lambda place: _round(place, np.floor(place) + 1),
    "floor": np.floor,
    "ceil": np.ceil,
}
# numpy's names of ONNX's ways to pad without a constant.
_MODES = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}


def _round(place: Array, half_way: Array) -> Array:
    """The nearest integers, and `half_way` where a place is between two of them."""
    is_half_way = np.abs(place - np.floor(place) - np.float32(0.5)) <= HALF_WAY
    return np.where(is_half_way, half_way, np.floor(place + np.float32(0.5)))


def resize(reader: Reader, node: ir.Node) -> None:
    """Resize to the nearest pixel."""
    before, after = shape_of(node.inputs[0]), shape_of(node.outputs[0])
    mode = node.attributes.get_string("mode", "nearest")
    where = node.attributes.get_string("coordinate_transformation_mode", "half_pixel")
    known = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
    if mode != "nearest" or len(before) != 4 or before[:2] != after[:2] or where not in known:
        raise NoKernel(
            node, f"it is {mode} with {where}, kernels take the nearest pixel", "use mode nearest"
        )
    rows, columns = (_nearest(node, before[axis], after[axis], axis, where) for axis in (2, 3))
    held = reader.held(node)
    name = str(node.outputs[0].name)
    reader.keep(node, moved_pixels(reader, name, held, rows.tolist(), columns.tolist()))


def _nearest(node: ir.Node, size: int, count: int, axis: int, where: str) -> Array:
    """The index of the input pixel for each output pixel, in the float32 of ONNX Runtime."""
    if size == count:
        return np.arange(size)
    index, half = np.arange(count, dtype=np.float32), np.float32(0.5)
    scale = _scale(node, size, count, axis)
    if where == "align_corners":
        place = index * np.float32(size - 1) / np.float32(max(count - 1, 1))
    elif where == "asymmetric":
        place = index / scale
    elif where == "pytorch_half_pixel" and count == 1:
        place = np.zeros(1, np.float32)
    else:
        place = (index + half) / scale - half
    rounding = node.attributes.get_string("nearest_mode", "round_prefer_floor") or ""
    return np.asarray(np.clip(_ROUNDINGS[rounding](place), 0, size - 1).astype(np.int64))


def _scale(node: ir.Node, size: int, count: int, axis: int) -> np.float32:
    """The scale along an axis, given by the node or by the sizes."""
    scales = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    axes = [each % 4 for each in node.attributes.get_ints("axes", range(4))]
    if scales is not None and scales.size and axis in axes:
        return np.float32(scales[axes.index(axis)])
    return np.float32(count) / np.float32(size)


def pad(reader: Reader, node: ir.Node) -> None:
    """Pad of height and width."""
    held, before = reader.held(node), shape_of(node.inputs[0])
    edges = _edges(node, len(before))
    mode = node.attributes.get_string("mode", "constant")
    name = str(node.outputs[0].name)
    if len(before) != 4 or edges[0] != (0, 0):
        raise NoKernel(node, "it pads other axes than those of an image")
    if edges[1] != (0, 0):
        if mode != "constant" or edges[2:] != [(0, 0)] * 2 or _pad_value(reader, node):
            raise NoKernel(node, "it pads channels with other than zeros, or pixels with them")
        reader.keep(node, _with_channels(reader, name, held, edges[1]))
        return
    if mode in _MODES:
        rows, columns = (
            np.pad(np.arange(before[axis]), edges[axis], _MODES[mode]).tolist()  # type: ignore[call-overload]
            for axis in (2, 3)
        )
        reader.keep(node, moved_pixels(reader, name, held, rows, columns))
        return
    if min(*edges[2], *edges[3]) < 0 or mode != "constant":
        raise NoKernel(node, f"it is {mode} with pads {edges[2:]}", "cut with a Slice")
    source, value = reader.whole(held), _pad_value(reader, node)
    size = (before[2] + sum(edges[2]), before[3] + sum(edges[3]))
    channels = source.channels
    image = reader.image(name, (channels, *size), held.encoding)
    layer = Layer(Code.PAD, (source.name,), image.name, channels, channels)
    window = Window(pads=(edges[2][0], edges[3][0]))
    reader.add(replace(layer, window=window, low=integer_bound(value, held.encoding)))
    reader.keep(node, Held(image, np.arange(channels)[None]))


def _with_channels(reader: Reader, name: str, held: Held, edges: tuple[int, int]) -> Held:
    """Channels of zeros around those of an image, by a convolution with ones: exact."""
    source, before = reader.whole(held), sum(edges)
    image = reader.image(name, (source.channels + before, *source.size), held.encoding)
    weights = np.eye(image.channels, source.channels, -edges[0], dtype=np.int8)
    zero = held.encoding.zero_point
    reader.add(
        Layer(
            Code.CONVOLUTION,
            (source.name,),
            image.name,
            source.channels,
            image.channels,
            weights=weights[:, :, None, None],
            bias=-zero * weights.astype(np.int64).sum(axis=1),
            multiplier=np.ones(image.channels, np.float32),
            zero_point=zero,
        )
    )
    return Held(image, np.arange(image.channels)[None])


def _edges(node: ir.Node, rank: int) -> list[tuple[int, int]]:
    """The pads of every axis, (before, behind)."""
    pads = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    if pads is None:
        raise NoKernel(node, "its pads are computed", "give them as constants")
    axes = constant(node.inputs[3]) if len(node.inputs) > 3 else None
    named = range(rank) if axes is None else [int(axis) % rank for axis in axes]
    given = {axis: (int(a), int(b)) for axis, a, b in zip(named, *np.split(pads, 2), strict=True)}
    return [given.get(axis, (0, 0)) for axis in range(rank)]


def _pad_value(reader: Reader, node: ir.Node) -> float:
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return 0.0
    value = reader.value(node, 2)
    if not isinstance(value, Constant) or value.reals.size != 1:
        raise NoKernel(node, "what it pads with is computed", "give it as a constant")
    return float(value.reals.reshape(()))


OPERATORS: Mapping[str, Operator] = {"Pad": pad, "Resize": resize}
