"""Operators that only move data: Concat, Split, Slice, Gather, DepthToSpace, Expand, Tile."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.targets.tflite import moving
from edgecnn_exporters.targets.tflite.lowering import BUILTIN, Lowering
from edgecnn_exporters.targets.tflite.narrowing import narrow
from edgecnn_exporters.targets.tflite.nodes import attribute, shape_of
from edgecnn_exporters.targets.tflite.operators.arithmetic import order_of_result
from edgecnn_exporters.targets.tflite.operators.operator import Operator, never
from edgecnn_exporters.targets.tflite.operators.windows import NHWC
from edgecnn_exporters.targets.tflite.views import View
from edgecnn_runtime.arrays import Array


def concatenate(low: Lowering, node: ir.Node, integer: bool) -> None:
    """CONCATENATION along the axis in memory order."""
    order = order_of_result(low, node)
    axis = attribute(node, "axis", 0) % len(order)
    tensors = [
        low.read(value, order, integer=integer) for value in node.inputs if value is not None
    ]
    options = schema.ConcatenationOptionsT()
    options.axis = order.index(axis)
    result = low.write(node.outputs[0], order, integer=integer)
    low.file.operator(BUILTIN.CONCATENATION, tensors, [result], options)


def split(low: Lowering, node: ir.Node, integer: bool) -> None:
    """SPLIT into equal parts, SPLIT_V into others."""
    source = node.inputs[0]
    assert source is not None
    order = low.order_of(source)
    axis = attribute(node, "axis", 0) % len(order)
    place = low.numbers("axis", np.array(order.index(axis), np.int32))
    data = low.read(source, order, integer=integer)
    sizes = [shape_of(output)[axis] for output in node.outputs]
    result = [low.write(output, order, integer=integer) for output in node.outputs]
    if len(set(sizes)) == 1:
        equal = schema.SplitOptionsT()
        equal.numSplits = len(sizes)
        low.file.operator(BUILTIN.SPLIT, [place, data], result, equal)
        return
    options = schema.SplitVOptionsT()
    options.numSplits = len(sizes)
    lengths = low.numbers("sizes", np.array(sizes, np.int32))
    low.file.operator(BUILTIN.SPLIT_V, [data, lengths, place], result, options)


def cut(low: Lowering, node: ir.Node, integer: bool) -> None:
    """SLICE of neighbours, STRIDED_SLICE with steps."""
    source = node.inputs[0]
    assert source is not None
    order, shape = low.order_of(source), shape_of(source)
    begin, step = _begins_and_steps(low, node, shape)
    data = low.read(source, order, integer=integer)
    after = [shape_of(node.outputs[0])[axis] for axis in order]
    first, steps = ([values[axis] for axis in order] for values in (begin, step))
    if all(each == 1 for each in steps):
        result = moving.cut(low.file, data, first, after)
    else:
        result = moving.cut_with_steps(low.file, data, first, steps, after)
    low.take_over(node.outputs[0], result, order, integer=integer)


def _begins_and_steps(
    low: Lowering, node: ir.Node, shape: tuple[int, ...]
) -> tuple[list[int], list[int]]:
    """Begin and step of every axis."""
    given = [constant(value) if value is not None else None for value in node.inputs[1:]]
    if any(
        value is not None and array is None
        for value, array in zip(node.inputs[1:], given, strict=True)
    ):
        raise low.refuse(node, "its bounds are computed, expected constants")
    starts, _, axes, steps = (*given, None, None)[:4]
    assert starts is not None
    chosen = range(len(starts)) if axes is None else [int(axis) % len(shape) for axis in axes]
    begin, step = [0] * len(shape), [1] * len(shape)
    for index, axis in enumerate(chosen):
        by = 1 if steps is None else int(steps[index])
        first = int(starts[index])
        first += shape[axis] if first < 0 else 0
        begin[axis] = min(max(first, 0), shape[axis] - (1 if by < 0 else 0))
        step[axis] = by
    return begin, step


def gather(low: Lowering, node: ir.Node, integer: bool) -> None:
    """GATHER at constant indices along one axis."""
    source, places = node.inputs
    assert source is not None
    indices, shape = constant(places), shape_of(source)
    axis = attribute(node, "axis", 0) % len(shape)
    if indices is None:
        raise low.refuse(node, "its indices are computed, expected constants")
    indices = np.where(indices < 0, indices + shape[axis], indices)
    order = low.order_of(source)
    data = low.read(source, order, integer=integer)
    result = moving.gather(low.file, data, narrow(indices.reshape(-1)), order.index(axis))
    # Indices of several axes, or of none, are another view of the row that was gathered.
    row = View.of((*shape[:axis], indices.size, *shape[axis + 1 :]), order)
    view = row.reshaped(shape_of(node.outputs[0]))
    assert view is not None
    low.take_over_as(node.outputs[0], result, view, integer=integer)


def gather_elements(low: Lowering, node: ir.Node, integer: bool) -> None:
    """GATHER_ND at constant indices of the first axes."""
    source, places = node.inputs
    assert source is not None
    indices, shape = constant(places), shape_of(source)
    if indices is None or attribute(node, "batch_dims", 0):
        raise low.refuse(node, "its indices are computed or of each image, expected constants")
    sizes = np.array(shape[: indices.shape[-1]])
    indices = np.where(indices < 0, indices + sizes, indices)
    data = low.read(source, tuple(range(len(shape))))
    output = node.outputs[0]
    result = low.write(output, tuple(range(len(shape_of(output)))))
    inputs = [data, low.numbers("places", narrow(indices))]
    low.file.operator(BUILTIN.GATHER_ND, inputs, [result], schema.GatherNdOptionsT())


def depth_to_space(low: Lowering, node: ir.Node, integer: bool) -> None:
    """DEPTH_TO_SPACE, whose channels come block first; in ONNX's CRD order they are gathered so."""
    source = node.inputs[0]
    assert source is not None
    block = attribute(node, "blocksize", 1)
    image = low.read(source, NHWC, integer=integer)
    if attribute(node, "mode", "DCR") == "CRD":
        channels = shape_of(source)[1]
        places = np.arange(channels).reshape(-1, block, block).transpose(1, 2, 0).reshape(-1)
        image = moving.gather(low.file, image, places.astype(np.int32), 3)
    options = schema.DepthToSpaceOptionsT()
    options.blockSize = block
    result = low.write(node.outputs[0], NHWC, integer=integer)
    low.file.operator(BUILTIN.DEPTH_TO_SPACE, [image], [result], options)


def space_to_depth(low: Lowering, node: ir.Node, integer: bool) -> None:
    """SPACE_TO_DEPTH, whose channels come block first; for ONNX's CRD order they are gathered."""
    source = node.inputs[0]
    assert source is not None
    options = schema.SpaceToDepthOptionsT()
    block = options.blockSize = attribute(node, "blocksize", 1)
    image = low.read(source, NHWC, integer=integer)
    result = low.write(node.outputs[0], NHWC, integer=integer)
    low.file.operator(BUILTIN.SPACE_TO_DEPTH, [image], [result], options)
    if attribute(node, "mode", "DCR") == "CRD":
        channels = shape_of(source)[1]
        places = np.arange(channels * block**2).reshape(block, block, -1).transpose(2, 0, 1)
        result = moving.gather(low.file, result, places.reshape(-1).astype(np.int32), 3)
        low.take_over(node.outputs[0], result, NHWC, integer=integer)


def expand(low: Lowering, node: ir.Node, integer: bool) -> None:
    """BROADCAST_TO the static shape of the output."""
    source, output = node.inputs[0], node.outputs[0]
    assert source is not None
    order = order_of_result(low, node)
    shape = shape_of(output)
    data = low.read_operand(source, len(shape), order, integer=integer)
    sizes: Array = np.array([shape[axis] for axis in order], np.int32)
    result = low.write(output, order, integer=integer)
    inputs = [data, low.numbers("shape", sizes)]
    low.file.operator(BUILTIN.BROADCAST_TO, inputs, [result], schema.BroadcastToOptionsT())


def tile(low: Lowering, node: ir.Node, integer: bool) -> None:
    """TILE by constant counts of each axis."""
    source, output = node.inputs[0], node.outputs[0]
    assert source is not None
    order = low.order_of(source)
    before, after = shape_of(source), shape_of(output)
    multiples: Array = np.array([after[axis] // before[axis] for axis in order], np.int32)
    inputs = [low.read(source, order), low.numbers("counts", multiples)]
    low.file.operator(BUILTIN.TILE, inputs, [low.write(output, order)], schema.TileOptionsT())


OPERATORS: Mapping[str, Operator] = {
    "Concat": Operator(concatenate),
    "Split": Operator(split),
    "Slice": Operator(cut),
    "Gather": Operator(gather, never),
    "GatherND": Operator(gather_elements, never),
    "DepthToSpace": Operator(depth_to_space),
    "SpaceToDepth": Operator(space_to_depth),
    "Expand": Operator(expand, never),
    "Tile": Operator(tile, never),
}
