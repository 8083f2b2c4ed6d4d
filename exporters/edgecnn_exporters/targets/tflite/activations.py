"""Clips in TFLite: fused activations, operators of their own, and the saturation of 8 bits.

Rounding to 8 bits is monotone, so a clip of reals is a clip of integers, between those that its
bounds round to. It vanishes where these are the first and the last integer of its encoding.
"""

from __future__ import annotations

import math

import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.passes.graph import is_operator, scalar
from edgecnn_runtime.encoding import LEVELS, Encoding

Bounds = tuple[float, float]

_ACTIVATION = schema.ActivationFunctionType
_CODES = {
    (0.0, math.inf): _ACTIVATION.RELU,
    (0.0, 6.0): _ACTIVATION.RELU6,
    (-1.0, 1.0): _ACTIVATION.RELU_N1_TO_1,
}


def clip_bounds(node: ir.Node) -> Bounds | None:
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


def integer_bounds(bounds: Bounds, encoding: Encoding) -> tuple[int, int]:
    """The integers 0 … 255 that the bounds of a clip round to."""
    low, high = (_nearest(bound, encoding) for bound in bounds)
    return low, high


def _nearest(bound: float, encoding: Encoding) -> int:
    if math.isinf(bound):
        return 0 if bound < 0 else LEVELS
    return min(max(round(bound / encoding.scale) + encoding.zero_point, 0), LEVELS)


def is_saturation(bounds: Bounds, encoding: Encoding) -> bool:
    """Whether 8 bits of that encoding saturate where the clip ends, within half a step."""
    return integer_bounds(bounds, encoding) == (0, LEVELS)


def activation_code(bounds: Bounds, encoding: Encoding | None = None) -> int | None:
    """The activation that clips so, in float or as 8 bits of an encoding; None where none does."""
    exact = _CODES.get(bounds)
    if exact is not None or encoding is None:
        return exact
    wanted = integer_bounds(bounds, encoding)
    same = (code for own, code in _CODES.items() if integer_bounds(own, encoding) == wanted)
    return next(same, None)
