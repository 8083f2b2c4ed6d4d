"""Gradients of Softmax and LogSoftmax along an axis."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgecnn_exporters.gradient.rule import Backward


def softmax(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Softmax: ``dx = y (dy - sum of y dy)``, the sum along the axis."""
    emit, dy, y = back.emit, back.gradient, back.output
    total = emit("ReduceSum", emit("Mul", y, dy), [_axis(back)], keepdims=1)
    return {0: emit("Mul", y, emit("Sub", dy, total))}


def log_softmax(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of LogSoftmax: ``dx = dy - exp(y) sum of dy``, the sum along the axis."""
    emit, dy = back.emit, back.gradient
    total = emit("ReduceSum", dy, [_axis(back)], keepdims=1)
    return {0: emit("Sub", dy, emit("Mul", emit("Exp", back.output), total))}


def _axis(back: Backward) -> int:
    return back.node.attributes.get_int("axis", -1)
