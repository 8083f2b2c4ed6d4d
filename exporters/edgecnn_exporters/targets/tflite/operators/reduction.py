"""Reductions over axes: sum, mean, minimum, maximum, and the norms L1 and L2."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.targets.tflite.lowering import BUILTIN, Lowering
from edgecnn_exporters.targets.tflite.nodes import attribute, shape_of
from edgecnn_exporters.targets.tflite.operators.operator import Operator, never


def reduce(
    low: Lowering,
    node: ir.Node,
    integer: bool,
    *,
    code: int,
    before: int | None = None,
    after: int | None = None,
) -> None:
    """One reduction over axes in memory order.

    Args:
        before, after: operators on each number before, and on each result.
    """
    source = node.inputs[0]
    assert source is not None
    rank = len(shape_of(source))
    axes = _axes(low, node, rank)
    keeps = bool(attribute(node, "keepdims", 1))
    order = low.order_of(source)
    data = low.read(source, order)
    if not axes and before is None:
        low.view_as(node.outputs[0], source, low.read_as_is(source).view)
        return
    output = node.outputs[0]
    if before is not None:
        changed = low.temporary(f"{output.name}.each", low.file.shape(data), None)
        low.file.operator(before, [data], [changed])
        data = changed
    places = sorted(order.index(axis) for axis in axes)
    options = schema.ReducerOptionsT()
    options.keepDims = keeps
    if not keeps:
        left = [axis for axis in range(rank) if axis not in axes]
        order = tuple(left.index(axis) for axis in order if axis in left)
    inputs = [data, low.numbers("axes", np.array(places, np.int32))]
    if after is None:
        low.file.operator(code, inputs, [low.write(output, order)], options)
        return
    sizes = shape_of(output)
    total = low.temporary(f"{output.name}.total", [sizes[axis] for axis in order], None)
    low.file.operator(code, inputs, [total], options)
    low.file.operator(after, [total], [low.write(output, order)])


def _axes(low: Lowering, node: ir.Node, rank: int) -> list[int]:
    axes_input = node.inputs[1] if len(node.inputs) > 1 else None
    axes = attribute(node, "axes", [])
    if axes_input is not None:
        array = constant(axes_input)
        if array is None:
            raise low.refuse(node, "its axes are computed, expected constants")
        axes = [int(axis) for axis in array.reshape(-1)]
    if not axes and not attribute(node, "noop_with_empty_axes", 0):
        return list(range(rank))
    return sorted(axis % rank for axis in axes)


def _reduction(code: int, before: int | None = None, after: int | None = None) -> Operator:
    return Operator(partial(reduce, code=code, before=before, after=after), never)


OPERATORS: Mapping[str, Operator] = {
    "ReduceMean": _reduction(BUILTIN.MEAN),
    "ReduceSum": _reduction(BUILTIN.SUM),
    "ReduceMax": _reduction(BUILTIN.REDUCE_MAX),
    "ReduceMin": _reduction(BUILTIN.REDUCE_MIN),
    "ReduceProd": _reduction(BUILTIN.REDUCE_PROD),
    "ReduceL1": _reduction(BUILTIN.SUM, BUILTIN.ABS),
    "ReduceL2": _reduction(BUILTIN.SUM, BUILTIN.SQUARE, BUILTIN.SQRT),
    "ReduceSumSquare": _reduction(BUILTIN.SUM, BUILTIN.SQUARE),
}
