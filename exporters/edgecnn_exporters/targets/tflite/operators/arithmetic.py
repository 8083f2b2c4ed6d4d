"""Element-wise operators of several tensors: arithmetic with broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from typing import Any

import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.targets.tflite.lowering import BUILTIN, Lowering
from edgecnn_exporters.targets.tflite.nodes import shape_of
from edgecnn_exporters.targets.tflite.operators.fusing import fuse
from edgecnn_exporters.targets.tflite.operators.operator import Lower, Operator, never
from edgecnn_exporters.targets.tflite.scales import has_sum_scales
from edgecnn_exporters.targets.tflite.views import Axes

_Options = Callable[[], Any]


def order_of_result(low: Lowering, node: ir.Node) -> Axes:
    """The axis order of the largest input, which moves the least data."""
    rank = len(shape_of(node.outputs[0]))
    computed = [v for v in node.inputs if v is not None and constant(v) is None]
    whole = [value for value in computed if len(shape_of(value)) == rank]
    if not whole:
        return tuple(range(rank))
    return low.order_of(max(whole, key=lambda value: prod(shape_of(value))))


def combine(low: Lowering, node: ir.Node, integer: bool, *, code: int, options: _Options) -> None:
    """One operator of two tensors, with the activation behind it fused where it can be."""
    order, rank = order_of_result(low, node), len(shape_of(node.outputs[0]))
    inputs = [
        low.read_operand(value, rank, order, integer=integer)
        for value in node.inputs
        if value is not None
    ]
    chosen = options()
    output = node.outputs[0]
    if hasattr(chosen, "fusedActivationFunction"):
        chosen.fusedActivationFunction, output = fuse(low, node, integer=integer)
    low.file.operator(code, inputs, [low.write(output, order, integer=integer)], chosen)


def fold(low: Lowering, node: ir.Node, integer: bool, *, code: int, options: _Options) -> None:
    """An operator of any number of tensors, two at a time."""
    values = [value for value in node.inputs if value is not None]
    order, shape = order_of_result(low, node), shape_of(node.outputs[0])
    tensors = [low.read_operand(v, len(shape), order, integer=False) for v in values]
    total = tensors[0]
    for number, tensor in enumerate(tensors[1:], 2):
        if number == len(tensors):
            result = low.write(node.outputs[0], order)
        else:
            sizes = [shape[axis] for axis in order]
            result = low.temporary(f"{node.outputs[0].name}.{number}", sizes, None)
        low.file.operator(code, [total, tensor], [result], options())
        total = result
    if len(tensors) == 1:
        low.view_as(node.outputs[0], values[0], low.read_as_is(values[0]).view)


def _operator(code: int, options: _Options, lower: Callable[..., None] = combine) -> Lower:
    return partial(lower, code=code, options=options)


_EXTREMES = schema.MaximumMinimumOptionsT

OPERATORS: Mapping[str, Operator] = {
    "Add": Operator(_operator(BUILTIN.ADD, schema.AddOptionsT), has_sum_scales),
    "Mul": Operator(_operator(BUILTIN.MUL, schema.MulOptionsT)),
    "Sub": Operator(_operator(BUILTIN.SUB, schema.SubOptionsT), never),
    "Div": Operator(_operator(BUILTIN.DIV, schema.DivOptionsT), never),
    # ONNX lets the exponent be of another type.
    "Pow": Operator(_operator(BUILTIN.POW, schema.PowOptionsT), never),
    "Max": Operator(_operator(BUILTIN.MAXIMUM, _EXTREMES, fold), never),
    "Min": Operator(_operator(BUILTIN.MINIMUM, _EXTREMES, fold), never),
    "Sum": Operator(_operator(BUILTIN.ADD, schema.AddOptionsT, fold), never),
}
