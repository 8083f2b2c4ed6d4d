"""Fused activations of TFLite operators: RELU, RELU6 and RELU_N1_TO_1."""

from __future__ import annotations

import math

import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.passes.graph import is_operator, scalar

_ACTIVATION = schema.ActivationFunctionType
_CODES = {
    (0.0, math.inf): _ACTIVATION.RELU,
    (0.0, 6.0): _ACTIVATION.RELU6,
    (-1.0, 1.0): _ACTIVATION.RELU_N1_TO_1,
}


def clip_bounds(node: ir.Node) -> tuple[float, float] | None:
    """Bounds of a Relu or a Clip; None for other nodes and for computed bounds."""
    if is_operator(node, "Relu"):
        return 0.0, math.inf
    if not is_operator(node, "Clip"):
        return None
    bounds = []
    for index, default in ((1, -math.inf), (2, math.inf)):
        value = node.inputs[index] if len(node.inputs) > index else None
        bound = default if value is None else scalar(value)
        if bound is None:
            return None
        # Exporters write "no bound" as the largest float32.
        bounds.append(default if abs(bound) > 3e38 else bound)
    return bounds[0], bounds[1]


def fused_code(node: ir.Node) -> int | None:
    """The code of an activation that the operator before it can compute; None for others."""
    bounds = clip_bounds(node)
    return None if bounds is None else _CODES.get(bounds)
