"""Resize, nearest neighbour or bilinear."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.targets.tflite import moving
from edgecnn_exporters.targets.tflite.lowering import BUILTIN, Lowering
from edgecnn_exporters.targets.tflite.nodes import attribute, shape_of
from edgecnn_exporters.targets.tflite.operators.operator import Operator
from edgecnn_exporters.targets.tflite.operators.windows import NHWC
from edgecnn_runtime.arrays import Array

# ONNX's coordinate transformation modes as (align_corners, half_pixel_centers).
_CENTRES = {
    "half_pixel": (False, True),
    "pytorch_half_pixel": (False, True),
    "align_corners": (True, False),
    "asymmetric": (False, False),
}
_ROUNDINGS: Mapping[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda place: _round(place, np.floor(place)),
    "round_prefer_ceil": lambda place: _round(place, np.floor(place) + 1),
    "floor": np.floor,
    "ceil": np.ceil,
}
# What ONNX Runtime 1.32 takes for half-way between two pixels.
HALF_WAY = np.float32(1e-6)


def _round(place: Array, half_way: Array) -> Array:
    """The nearest integers, and `half_way` where a place is between two of them."""
    is_half_way = np.abs(place - np.floor(place) - np.float32(0.5)) <= HALF_WAY
    return np.where(is_half_way, half_way, np.floor(place + np.float32(0.5)))


def resize(low: Lowering, node: ir.Node, integer: bool) -> None:
    """RESIZE_BILINEAR, or RESIZE_NEAREST_NEIGHBOR where it takes the same pixels, else GATHER."""
    source = node.inputs[0]
    assert source is not None
    before, after = shape_of(source), shape_of(node.outputs[0])
    if len(before) != 4 or before[:2] != after[:2]:
        raise low.refuse(
            node, f"it makes {after} of {before}; only height and width can be resized"
        )
    where = attribute(node, "coordinate_transformation_mode", "half_pixel")
    mode = attribute(node, "mode", "nearest")
    if (
        where not in _CENTRES
        or attribute(node, "antialias", 0)
        or mode not in ("nearest", "linear")
    ):
        raise low.refuse(
            node,
            f"mode {mode} with {where} has no kernel there, nor has antialias; use nearest or "
            "linear with half_pixel, align_corners or asymmetric",
        )
    image = low.read(source, NHWC, integer=integer)
    if mode == "nearest":
        places = [_nearest(node, axis) for axis in (2, 3)]
        # Arm's converter to TOSA rounds to the next pixel where the centres are not half pixels.
        ways = [way for way in ("half_pixel", where) if _is_computed_so(places, before, after, way)]
        if not ways:
            result = _gather(low, image, places)
            low.take_over(node.outputs[0], result, NHWC, integer=integer)
            return
        where = ways[0]
        options, code = schema.ResizeNearestNeighborOptionsT(), BUILTIN.RESIZE_NEAREST_NEIGHBOR
    else:
        _check_scales(low, node)
        options, code = schema.ResizeBilinearOptionsT(), BUILTIN.RESIZE_BILINEAR
    options.alignCorners, options.halfPixelCenters = _CENTRES[where]
    size = low.numbers("size", np.array(after[2:], np.int32))
    result = low.write(node.outputs[0], NHWC, integer=integer)
    low.file.operator(code, [image, size], [result], options)


def _scale(node: ir.Node, axis: int) -> np.float32:
    """The scale along an axis, given by the node or by the sizes."""
    source = node.inputs[0]
    assert source is not None
    value = node.inputs[2] if len(node.inputs) > 2 else None
    scales = constant(value) if value is not None else None
    rank = len(shape_of(source))
    axes = [each % rank for each in attribute(node, "axes", list(range(rank)))]
    if scales is not None and scales.size:
        return np.float32(scales[axes.index(axis)] if axis in axes else 1.0)
    return np.float32(shape_of(node.outputs[0])[axis]) / np.float32(shape_of(source)[axis])


def _nearest(node: ir.Node, axis: int) -> Array:
    """The index of the input pixel for each output pixel, in the float32 of ONNX Runtime.

    In PyTorch too, 17 / 1.7 is 10, which the float32 nearest to 1.7 does not divide 17 into.
    """
    source = node.inputs[0]
    assert source is not None
    before, after = shape_of(source), shape_of(node.outputs[0])
    size, count = before[axis], after[axis]
    if before == after:
        return np.arange(size, dtype=np.int32)
    where = attribute(node, "coordinate_transformation_mode", "half_pixel")
    index, half = np.arange(count, dtype=np.float32), np.float32(0.5)
    if where == "align_corners":
        place = index * np.float32(size - 1) / np.float32(max(count - 1, 1))
    elif where == "asymmetric":
        place = index / _scale(node, axis)
    elif where == "pytorch_half_pixel" and count == 1:
        place = np.zeros(1, np.float32)
    else:
        place = (index + half) / _scale(node, axis) - half
    rounding = attribute(node, "nearest_mode", "round_prefer_floor")
    indices: Array = np.clip(_ROUNDINGS[rounding](place), 0, size - 1).astype(np.int32)
    return indices


def _is_computed_so(
    places: list[Array], before: tuple[int, ...], after: tuple[int, ...], where: str
) -> bool:
    """Whether RESIZE_NEAREST_NEIGHBOR takes just these pixels, computed as its kernels do."""
    corners, halves = _CENTRES[where]
    for pixels, size, count in zip(places, before[2:], after[2:], strict=True):
        aligned = corners and count > 1
        step = np.float32((size - 1) / (count - 1)) if aligned else np.float32(size / count)
        at = (np.arange(count, dtype=np.float32) + np.float32(0.5 if halves else 0)) * step
        taken = np.floor(at + np.float32(0.5)) if corners else np.floor(at)
        if not np.array_equal(np.clip(taken, 0, size - 1).astype(np.int32), pixels):
            return False
    return True


def _gather(low: Lowering, image: int, places: list[Array]) -> int:
    for axis, pixels in ((1, places[0]), (2, places[1])):
        if np.array_equal(pixels, np.arange(low.file.shape(image)[axis])):
            continue
        image = moving.gather(low.file, image, pixels, axis)
    return image


def _check_scales(low: Lowering, node: ir.Node) -> None:
    """Refuse a scale that differs from the ratio of sizes, which TFLite uses."""
    source = node.inputs[0]
    assert source is not None
    before, after = shape_of(source), shape_of(node.outputs[0])
    where = attribute(node, "coordinate_transformation_mode", "half_pixel")
    for axis in (2, 3):
        scale, own = _scale(node, axis), after[axis] / before[axis]
        if not np.isclose(scale, own, rtol=1e-6):
            raise low.refuse(
                node,
                f"scale {scale:.6g} makes {after[axis]} of {before[axis]} pixels, but not exactly; "
                "give the size, not the scale",
            )
        if where == "pytorch_half_pixel" and after[axis] == 1:
            raise low.refuse(node, "pytorch_half_pixel to one pixel; use half_pixel")


def _has_integers(low: Lowering, node: ir.Node) -> bool:
    return str(attribute(node, "mode", "nearest")) in ("nearest", "linear")


OPERATORS: Mapping[str, Operator] = {"Resize": Operator(resize, _has_integers)}
