"""Resize: RESIZE to the nearest pixel by index, BILINEAR between four pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_set
from edgecnn_exporters.targets.native.errors import NoKernel
from edgecnn_exporters.targets.native.layers import Image, Layer
from edgecnn_exporters.targets.native.operators.moving import moved_pixels, shape_of
from edgecnn_exporters.targets.native.reading import Operator, Reader
from edgecnn_exporters.targets.native.records import Code
from edgecnn_exporters.targets.native.values import Held, Result
from edgecnn_runtime.arrays import Array, Float32

# What ONNX Runtime 1.32 takes for half-way between two pixels.
HALF_WAY = np.float32(1e-6)
_ROUNDINGS: Mapping[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda place: _round(place, np.floor(place)),
    "round_prefer_ceil": lambda place: _round(place, np.floor(place) + 1),
    "floor": np.floor,
    "ceil": np.ceil,
}
_PLACES = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")


def _round(place: Array, half_way: Array) -> Array:
    """The nearest integers, and `half_way` where a place is between two of them."""
    is_half_way = np.abs(place - np.floor(place) - np.float32(0.5)) <= HALF_WAY
    return np.where(is_half_way, half_way, np.floor(place + np.float32(0.5)))


def resize(reader: Reader, node: ir.Node) -> None:
    """Resize to the nearest pixel, or between four."""
    before, after = shape_of(node.inputs[0]), shape_of(node.outputs[0])
    mode = node.attributes.get_string("mode", "nearest")
    where = node.attributes.get_string("coordinate_transformation_mode", "half_pixel")
    is_known = mode in ("nearest", "linear") and where in _PLACES and not is_set(node, "antialias")
    if not is_known or len(before) != 4 or before[:2] != after[:2]:
        raise NoKernel(
            node,
            f"it is {mode} with {where}, kernels take the nearest pixel or blend four",
            "use mode nearest or linear, without antialias",
        )
    places = [_places(node, before[axis], after[axis], axis, where) for axis in (2, 3)]
    held, name = reader.held(node), str(node.outputs[0].name)
    if mode == "linear":
        reader.keep(node, _blended(reader, node, held, places))
        return
    rounding = _ROUNDINGS[node.attributes.get_string("nearest_mode", "round_prefer_floor") or ""]
    rows, columns = (
        np.clip(rounding(place), 0, size - 1).astype(np.int64).tolist()
        for place, size in zip(places, before[2:], strict=True)
    )
    reader.keep(node, moved_pixels(reader, name, held, rows, columns))


def _blended(reader: Reader, node: ir.Node, held: Held, places: list[Float32]) -> Result:
    """Pixels between four of an image."""
    source, encoding = reader.whole(held), held.encoding
    channels = source.channels
    sides = [_shares(place, count) for place, count in zip(places, source.size, strict=True)]
    parts = [side[0] for side in sides] + [side[1].reshape(-1).view(np.uint32) for side in sides]

    def layers(result: Image) -> tuple[Layer, ...]:
        own = result.encoding
        layer = Layer(Code.BILINEAR, (source.name,), result.name, channels, channels)
        return (
            replace(
                layer,
                index=np.concatenate(parts),
                zero_point=0 if own is None else own.zero_point,
                zero_points=(encoding.zero_point, 0),
                factors=(encoding.scale, 1.0 if own is None else own.scale, 0.0),
            ),
        )

    size = (channels, len(places[0]), len(places[1]))
    return Result(node, size, layers, has_float=True)


def _shares(places: Float32, size: int) -> tuple[Array, Float32]:
    """For each place the pixel before it, and the shares of that and of the next one.

    As ONNX Runtime computes them: the last pixel is blended with itself by halves.
    """
    within = np.clip(places, np.float32(0), np.float32(size - 1))
    first = within.astype(np.uint32)
    second = np.minimum(first + 1, size - 1)
    shares = np.stack([second - within, within - first], axis=1).astype(np.float32)
    shares[first == second] = 0.5
    return first, shares


def _places(node: ir.Node, size: int, count: int, axis: int, where: str) -> Float32:
    """Where each output pixel lies in the input, in the float32 of ONNX Runtime."""
    if size == count:
        return np.arange(size, dtype=np.float32)
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
    return np.asarray(place, np.float32)


def _scale(node: ir.Node, size: int, count: int, axis: int) -> np.float32:
    """The scale along an axis, given by the node or by the sizes."""
    scales = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    axes = [each % 4 for each in node.attributes.get_ints("axes", range(4))]
    if scales is not None and scales.size and axis in axes:
        return np.float32(scales[axes.index(axis)])
    return np.float32(count) / np.float32(size)


OPERATORS: Mapping[str, Operator] = {"Resize": resize}
