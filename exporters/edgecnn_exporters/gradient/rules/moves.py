"""Gradients of operators that move values and change none."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgecnn_exporters.gradient.rule import Backward


def identity(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Identity: ``dx = dy``."""
    return {0: back.gradient}


def reshape(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Reshape and Flatten: ``dx`` is ``dy`` in the shape of ``x``."""
    return {0: back.emit("Reshape", back.gradient, shape_operand(back, 0))}


def shape_operand(back: Backward, index: int) -> list[int] | ir.Value:
    """The shape of an input as an operand: constant with -1 for one dynamic axis, else computed."""
    shape = back.shape(index)
    if sum(extent is None for extent in shape) <= 1:
        return [-1 if extent is None else extent for extent in shape]
    return back.emit("Shape", back.input(index))
