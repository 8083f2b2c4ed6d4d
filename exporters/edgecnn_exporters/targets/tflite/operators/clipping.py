"""Relu and Clip."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.targets.tflite.activations import (
    Bounds,
    activation_code,
    clip_bounds,
    integer_bounds,
    is_saturation,
)
from edgecnn_exporters.targets.tflite.lowering import BUILTIN, SIGNED, Lowering, PlacedTensor
from edgecnn_exporters.targets.tflite.operators.operator import Operator
from edgecnn_runtime.encoding import LEVELS

_ACTIVATION = schema.ActivationFunctionType
_OPERATORS = {
    _ACTIVATION.RELU: BUILTIN.RELU,
    _ACTIVATION.RELU6: BUILTIN.RELU6,
    _ACTIVATION.RELU_N1_TO_1: BUILTIN.RELU_N1_TO_1,
}
_LIMITS = (BUILTIN.MAXIMUM, BUILTIN.MINIMUM)


def clip(low: Lowering, node: ir.Node, integer: bool) -> None:
    """RELU, RELU6, RELU_N1_TO_1, or MAXIMUM and MINIMUM for other bounds."""
    bounds = clip_bounds(node)
    if bounds is None:
        raise low.refuse(node, "its bounds are computed, expected constants")
    if integer:
        _clip_integers(low, node, bounds)
    else:
        _clip_floats(low, node, bounds)


def _clip_floats(low: Lowering, node: ir.Node, bounds: Bounds) -> None:
    source = node.inputs[0]
    assert source is not None
    placed = low.read_as_is(source)
    code = activation_code(bounds)
    if code is not None:
        result = low.write_like(node.outputs[0], placed)
        low.file.operator(_OPERATORS[code], [placed.tensor], [result])
        return
    steps = [
        (operator, np.array(bound, np.float32))
        for operator, bound in zip(_LIMITS, bounds, strict=True)
        if math.isfinite(bound)
    ]
    if not steps:
        low.view_as(node.outputs[0], source, placed.view)
        return
    _limit(low, node, placed, steps)


def _clip_integers(low: Lowering, node: ir.Node, bounds: Bounds) -> None:
    """As integers of the result's encoding: by saturation, one operator, or two limits.

    The kernels of RELU, RELU6 and RELU_N1_TO_1 bring their result to its own scale; those of
    MAXIMUM and MINIMUM do not, and a QUANTIZE does.
    """
    source, output = node.inputs[0], node.outputs[0]
    assert source is not None
    encoding = low.encoding(output)
    is_rescaled = low.encoding(source) != encoding
    placed = low.read_as_is(source, integer=True)
    if is_saturation(bounds, encoding) and not is_rescaled:
        low.keep(output, placed, integer=True)
        return
    code = None if is_saturation(bounds, encoding) else activation_code(bounds, encoding)
    if code is not None:
        result = low.write_like(output, placed, integer=True)
        low.file.operator(_OPERATORS[code], [placed.tensor], [result])
        return
    ends = integer_bounds(bounds, encoding)
    steps = [
        (operator, np.array(end - SIGNED, np.int8))
        for operator, end, last in zip(_LIMITS, ends, (0, LEVELS), strict=True)
        if end != last
    ]
    if is_rescaled:
        placed = _rescale(low, node, placed, is_last=not steps)
    if steps:
        _limit(low, node, placed, steps, integer=True)


def _rescale(low: Lowering, node: ir.Node, placed: PlacedTensor, *, is_last: bool) -> PlacedTensor:
    """QUANTIZE to the encoding of the result."""
    output = node.outputs[0]
    if is_last:
        result = low.write_like(output, placed, integer=True)
    else:
        shape = low.file.shape(placed.tensor)
        result = low.temporary(f"{output.name}.rescaled", shape, low.encoding(output))
    low.file.operator(BUILTIN.QUANTIZE, [placed.tensor], [result], schema.QuantizeOptionsT())
    return PlacedTensor(result, placed.view)


def _limit(
    low: Lowering,
    node: ir.Node,
    placed: PlacedTensor,
    steps: list[tuple[int, np.ndarray]],
    *,
    integer: bool = False,
) -> None:
    """MAXIMUM and MINIMUM with constants of the tensor's own type and encoding."""
    tensor = placed.tensor
    for number, (code, bound) in enumerate(steps, 1):
        if number == len(steps):
            result = low.write_like(node.outputs[0], placed, integer=integer)
        else:
            result = low.file.like(tensor, "step", low.file.shape(tensor))
        limit = low.file.constant_like(tensor, "bound", bound)
        low.file.operator(code, [tensor, limit], [result], schema.MaximumMinimumOptionsT())
        tensor = result


OPERATORS: Mapping[str, Operator] = {"Relu": Operator(clip), "Clip": Operator(clip)}
