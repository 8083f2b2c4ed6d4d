"""Gradients of activations: ``dx = dy * f'(x)``, element by element."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.gradient.rule import Backward
from edgecnn_exporters.passes.graph import scalar


def relu(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Relu: ``dx = dy`` where ``y > 0``, else 0.

    It reads the output, which the next layer keeps anyway.
    """
    return {0: _where_inside(back, back.node.outputs[0], 0.0, None)}


def clip(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Clip with constant bounds: ``dx = dy`` where ``low < x < high``, else 0.

    Of ReLU6 as PyTorch has it: at both bounds the gradient is 0.
    """
    given = [back.node.inputs[i] if len(back.node.inputs) > i else None for i in (1, 2)]
    bounds = [scalar(value) for value in given]
    if any(value is not None and bound is None for value, bound in zip(given, bounds, strict=True)):
        raise back.refused("its bounds are computed")
    return {0: _where_inside(back, back.node.outputs[0], *bounds)}


def _where_inside(
    back: Backward, value: ir.Value, low: float | None, high: float | None
) -> ir.Value:
    """The gradient where ``low < value < high``, else 0."""
    emit, gradient = back.emit, back.gradient
    masks = []
    if low is not None:
        masks.append(emit("Greater", value, np.array(low, np.float32)))
    if high is not None:
        masks.append(emit("Less", value, np.array(high, np.float32)))
    for mask in masks:
        gradient = emit("Where", mask, gradient, 0.0)
    return gradient
