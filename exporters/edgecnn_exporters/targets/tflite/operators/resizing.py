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
    "round_prefer_floor": lambda place: np.ceil(place - 0.5),
    "round_prefer_ceil": lambda place: np.floor(place + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


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
        places = [_nearest(low, node, axis) for axis in (2, 3)]
        if not _is_computed_so(places, before, after, where):
            result = _gather(low, image, places)
            low.take_over(node.outputs[0], result, NHWC, integer=integer)
            return
        options, code = schema.ResizeNearestNeighborOptionsT(), BUILTIN.RESIZE_NEAREST_NEIGHBOR
    else:
        _check_scales(low, node)
        options, code = schema.ResizeBilinearOptionsT(), BUILTIN.RESIZE_BILINEAR
    options.alignCorners, options.halfPixelCenters = _CENTRES[where]
    size = low.numbers("size", np.array(after[2:], np.int32))
    result = low.write(node.outputs[0], NHWC, integer=integer)
    low.file.operator(code, [image, size], [result], options)


def _scale(node: ir.Node, axis: int) -> float:
    """The scale along an axis, given by the node or by the sizes."""
    source = node.inputs[0]
    assert source is not None
    value = node.inputs[2] if len(node.inputs) > 2 else None
    scales = constant(value) if value is not None else None
    rank = len(shape_of(source))
    axes = [each % rank for each in attribute(node, "axes", list(range(rank)))]
    if scales is not None and scales.size:
        return float(scales[axes.index(axis)]) if axis in axes else 1.0
    return shape_of(node.outputs[0])[axis] / shape_of(source)[axis]


def _nearest(low: Lowering, node: ir.Node, axis: int) -> Array:
    """The index of the input pixel for each output pixel."""
    source = node.inputs[0]
    assert source is not None
    size, count = shape_of(source)[axis], shape_of(node.outputs[0])[axis]
    where = attribute(node, "coordinate_transformation_mode", "half_pixel")
    index = np.arange(count, dtype=np.float64)
    if where == "align_corners":
        place = index * ((size - 1) / (count - 1)) if count > 1 else index * 0
    elif where == "asymmetric":
        place = index / _scale(node, axis)
    elif where == "pytorch_half_pixel" and count == 1:
        place = index * 0
    else:
        place = (index + 0.5) / _scale(node, axis) - 0.5
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
