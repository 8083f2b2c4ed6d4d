"""Gradient of Resize: the transpose of the matrix by which it maps each axis."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.gradient.rule import Backward
from edgecnn_exporters.passes.graph import constant
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.engines.onnxruntime import open_session, session_options

_ROI, _SCALES = 1, 2
# The first with every coordinate transformation.
_OPSET = 19


def resize(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Resize: ``dx = R' dy`` along each resized axis, R (after, before) its matrix.

    R is what the operator itself makes of the unit vectors: so it is exact for every mode and
    coordinate transformation. Where each value is copied to a block of k, dy is summed over
    blocks; otherwise it is a product of matrices.
    """
    if "axes" in back.node.attributes:
        raise back.refused("it is not in canonical form: it names axes")
    gradient = back.gradient
    shape, result = back.shape(), list(back.output_shape())
    products: list[tuple[int, Float32]] = []
    blocks: dict[int, int] = {}
    for axis, (before, after) in enumerate(zip(shape, result, strict=True)):
        if before is None or after is None or _is_kept(back, axis, before, after):
            continue
        matrix = resizing_matrix(back, axis, before, after)
        block = after // before
        if np.array_equal(matrix, np.repeat(np.eye(before, dtype=np.float32), block, 0)):
            blocks[axis] = block
        else:
            products.append((axis, matrix))
    if blocks:
        gradient = _sum_blocks(back, gradient, blocks)
    for axis, matrix in products:
        gradient = _multiply(back.emit, gradient, axis, len(shape), matrix)
    return {0: gradient}


def resizing_matrix(back: Backward, axis: int, before: int, after: int) -> Float32:
    """The matrix (after, before) of a Resize along one axis, by ONNX Runtime.

    The operator resizes the third axis of (1, before, before, 1): one unit vector a channel.
    """
    attributes = [
        attribute
        for attribute in back.node.attributes.values()
        if attribute.name not in ("keep_aspect_ratio_policy", "extrapolation_value")
    ]
    scale, window = _scale(back, axis), _window(back, axis)
    operands: list[Array | None] = [None, None, np.array([1, before, after, 1], np.int64)]
    if scale is not None:
        operands[1:] = [np.array([1, 1, scale, 1], np.float32), None]
    if window is not None:
        operands[0] = np.array([0, 0, window[0], 0, 1, 1, window[1], 1], np.float32)
    units = np.eye(before, dtype=np.float32).reshape(1, before, before, 1)
    return _run(attributes, operands, units)[0, :, :, 0].T


def _run(attributes: list[ir.Attr], operands: list[Array | None], units: Float32) -> Float32:
    """A Resize of `units` alone; operands are region, scales and sizes."""
    x = ir.Value(name="x", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape(units.shape))
    given = [
        None
        if array is None
        else ir.Value(
            name=name,
            const_value=ir.tensor(array, name=name),
            type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
            shape=ir.Shape(array.shape),
        )
        for name, array in zip(("region", "scales", "sizes"), operands, strict=True)
    ]
    node = ir.Node("", "Resize", [x, *given], attributes)
    node.outputs[0].name, node.outputs[0].type = "y", x.type
    initialisers = [value for value in given if value is not None]
    graph = ir.Graph(
        [x],
        node.outputs,
        nodes=[node],
        initializers=initialisers,
        opset_imports={"": _OPSET},
        name="g",
    )
    proto = ir.to_proto(ir.Model(graph, ir_version=8))
    session = open_session(proto.SerializeToString(), session_options(threads=1))
    made: Float32 = session.run(None, {"x": units})[0]
    return made


def _is_kept(back: Backward, axis: int, before: int, after: int) -> bool:
    """Whether the axis stays as it is."""
    scale, window = _scale(back, axis), _window(back, axis)
    return before == after and scale in (None, 1.0) and window in (None, (0.0, 1.0))


def _scale(back: Backward, axis: int) -> float | None:
    """The factor of an axis; None where the Resize has sizes."""
    value = back.node.inputs[_SCALES] if len(back.node.inputs) > _SCALES else None
    if value is None:
        return None
    scales = constant(value)
    if scales is None:
        raise back.refused("its factors are computed")
    return float(scales[axis]) if scales.size else None


def _window(back: Backward, axis: int) -> tuple[float, float] | None:
    """Begin and end of the region of an axis that is resized; None where it reads none."""
    mode = back.node.attributes.get_string("coordinate_transformation_mode", "half_pixel")
    if mode != "tf_crop_and_resize":
        return None
    window = constant(back.input(_ROI))
    if window is None:
        raise back.refused("its region is computed")
    begin, end = window.reshape(2, -1)[:, axis].tolist()
    return float(begin), float(end)


def _sum_blocks(back: Backward, gradient: ir.Value, blocks: Mapping[int, int]) -> ir.Value:
    """The sum over blocks of values along some axes."""
    apart: list[int] = []
    summed: list[int] = []
    for axis, (before, after) in enumerate(zip(back.shape(), back.output_shape(), strict=True)):
        size = before if axis in blocks else after
        apart.append(-1 if size is None else size)
        if axis in blocks:
            summed.append(len(apart))
            apart.append(blocks[axis])
    if apart.count(-1) > 1:
        raise back.refused("more than one of its axes has no fixed size")
    return back.emit("ReduceSum", back.emit("Reshape", gradient, apart), summed, keepdims=0)


def _multiply(
    emit: Emitter, gradient: ir.Value, axis: int, count: int, matrix: Float32
) -> ir.Value:
    """``R' dy`` along an axis of `count`, R (after, before)."""
    if axis == count - 1:
        return emit("MatMul", gradient, matrix)
    if axis == count - 2:
        return emit("MatMul", np.ascontiguousarray(matrix.T), gradient)
    order = list(range(count))
    order[axis], order[-1] = order[-1], order[axis]
    last = emit("MatMul", emit("Transpose", gradient, perm=order), matrix)
    return emit("Transpose", last, perm=order)
