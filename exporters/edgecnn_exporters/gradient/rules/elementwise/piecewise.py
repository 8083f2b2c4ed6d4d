"""Gradients of piecewise linear activations, element by element: ``dx = slope dy``.

Slopes are numbers, not conditions of a Where: that branches at each element (`masks` has times).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

import onnx_ir as ir

from edgecnn_exporters.gradient.broadcast import sum_to_input
from edgecnn_exporters.gradient.masks import blend, positive
from edgecnn_exporters.gradient.rule import Backward
from edgecnn_exporters.passes.graph import constant, scalar


def relu(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Relu: ``dx = dy`` where ``y > 0``, else 0.

    It reads the output, which the next layer keeps anyway.
    """
    return {0: _where_inside(back, back.output, 0.0, None)}


def clip(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Clip: ``dx = dy`` where ``low < y < high``, else 0.

    At the bounds it is 0, as of PyTorch's ReLU6; ``torch.clamp`` has 1 there. Bounds that are
    missing or infinite bound nothing.
    """
    if back.wanted != {0}:
        raise back.refused("its bounds are learnt")
    given = [back.node.inputs[i] if len(back.node.inputs) > i else None for i in (1, 2)]
    low, high = (value if constant(value) is None else scalar(value) for value in given)
    return {0: _where_inside(back, back.output, low, high)}


def leaky_relu(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of LeakyRelu: ``dx = dy`` where ``x > 0``, else ``alpha dy``."""
    slope = back.node.attributes.get_float("alpha", 0.01)
    # Of a slope that is not negative y has the sign of x.
    sign = back.output if slope >= 0 else back.input(0)
    return {0: _straight_above(back, sign, slope)}


def prelu(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of PRelu: ``dx = dy`` where ``x > 0``, else ``slope dy``.

    ``dslope = sum of min(x, 0) dy`` over the axes along which the slope is repeated.
    """
    emit, x = back.emit, back.input(0)
    result: dict[int, ir.Value] = {}
    if 0 in back.wanted:
        result[0] = _straight_above(back, x, back.input(1))
    if 1 in back.wanted:
        below = emit("Mul", back.gradient, emit("Min", x, 0.0))
        result[1] = sum_to_input(back, below, 1)
    return result


def thresholded_relu(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of ThresholdedRelu: ``dx = dy`` where ``x > alpha``, else 0."""
    alpha = back.node.attributes.get_float("alpha", 1.0)
    return {0: _where_inside(back, back.input(0), alpha, None)}


def hard_sigmoid(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of HardSigmoid: ``dx = alpha dy`` where ``0 < y < 1``, else 0."""
    slope = back.node.attributes.get_float("alpha", 0.2)
    inside = _where_inside(back, back.output, 0.0, 1.0)
    return {0: back.emit("Mul", inside, slope)}


def hard_swish(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of HardSwish, ``y = x s`` with ``s = clip(x / 6 + 1 / 2, 0, 1)``.

    ``dx = (s + x / 6 [-3 < x < 3]) dy``.
    """
    emit, x = back.emit, back.input(0)
    gate = emit("HardSigmoid", x, alpha=1 / 6, beta=0.5)
    inside = positive(emit, emit("Sub", 3.0, emit("Abs", x)))
    bend = emit("Mul", emit("Mul", x, 1 / 6), inside)
    return {0: emit("Mul", back.gradient, emit("Add", gate, bend))}


def _straight_above(back: Backward, sign: ir.Value, slope: ir.Value | float) -> ir.Value:
    """``dy`` where the sign is above 0, else ``slope dy``."""
    above = positive(back.emit, sign)
    return back.emit("Mul", back.gradient, blend(back.emit, above, 1.0, slope))


def _where_inside(
    back: Backward,
    value: ir.Value,
    low: ir.Value | float | None,
    high: ir.Value | float | None,
) -> ir.Value:
    """The gradient where ``low < value < high``, else 0; None and infinity bound nothing.

    A value is inside where the product of its distances from both bounds is above 0.
    """
    emit = back.emit
    distances = []
    if _is_bound(low):
        distances.append(value if low == 0.0 else emit("Sub", value, low))
    if _is_bound(high):
        distances.append(emit("Sub", high, value))
    if not distances:
        return back.gradient
    inside = distances[0] if len(distances) == 1 else emit("Mul", *distances)
    return emit("Mul", back.gradient, positive(emit, inside))


def _is_bound(bound: ir.Value | float | None) -> bool:
    return bound is not None and (isinstance(bound, ir.Value) or isfinite(bound))
