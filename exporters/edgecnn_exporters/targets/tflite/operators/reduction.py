"""Reductions over axes: sum, mean, minimum, maximum."""

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


def reduce(low: Lowering, node: ir.Node, integer: bool, *, code: int) -> None:
    """One reduction over axes in memory order."""
    source = node.inputs[0]
    assert source is not None
    rank = len(shape_of(source))
    axes = _axes(low, node, rank)
    keeps = bool(attribute(node, "keepdims", 1))
    order = low.order_of(source)
    data = low.read(source, order)
    if not axes:
        low.view_as(node.outputs[0], source, low.read_as_is(source).view)
        return
    places = sorted(order.index(axis) for axis in axes)
    options = schema.ReducerOptionsT()
    options.keepDims = keeps
    if not keeps:
        left = [axis for axis in range(rank) if axis not in axes]
        order = tuple(left.index(axis) for axis in order if axis in left)
    inputs = [data, low.numbers("axes", np.array(places, np.int32))]
    low.file.operator(code, inputs, [low.write(node.outputs[0], order)], options)


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


OPERATORS: Mapping[str, Operator] = {
    name: Operator(partial(reduce, code=code), never)
    for name, code in {
        "ReduceMean": BUILTIN.MEAN,
        "ReduceSum": BUILTIN.SUM,
        "ReduceMax": BUILTIN.REDUCE_MAX,
        "ReduceMin": BUILTIN.REDUCE_MIN,
        "ReduceProd": BUILTIN.REDUCE_PROD,
    }.items()
}
