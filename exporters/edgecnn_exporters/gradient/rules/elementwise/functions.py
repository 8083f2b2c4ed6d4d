"""Gradients of functions of one operand, element by element: ``dx = f'(x) dy``."""

from __future__ import annotations

from collections.abc import Mapping
from math import pi, sqrt

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.gradient.broadcast import sum_to_input
from edgecnn_exporters.gradient.rule import Backward
from edgecnn_exporters.passes.graph import constant


def absolute(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Abs: ``dx = sign(x) dy``, 0 at 0."""
    return _times(back, back.emit("Sign", back.input(0)))


def negative(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Neg: ``dx = -dy``."""
    return {0: back.emit("Neg", back.gradient)}


def exponential(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Exp: ``dx = y dy``."""
    return _times(back, back.output)


def logarithm(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Log: ``dx = dy / x``."""
    return {0: back.emit("Div", back.gradient, back.input(0))}


def square_root(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Sqrt: ``dx = dy / (2 y)``."""
    return {0: back.emit("Div", back.gradient, back.emit("Mul", back.output, 2.0))}


def reciprocal(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Reciprocal: ``dx = -y^2 dy``."""
    emit, y = back.emit, back.output
    return _times(back, emit("Neg", emit("Mul", y, y)))


def sine(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Sin: ``dx = cos(x) dy``."""
    return _times(back, back.emit("Cos", back.input(0)))


def cosine(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Cos: ``dx = -sin(x) dy``."""
    return _times(back, back.emit("Neg", back.emit("Sin", back.input(0))))


def error_function(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Erf: ``dx = 2 / sqrt(pi) exp(-x^2) dy``."""
    emit, x = back.emit, back.input(0)
    bell = emit("Exp", emit("Neg", emit("Mul", x, x)))
    return _times(back, emit("Mul", bell, 2 / sqrt(pi)))


def power(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Pow with a constant exponent, ``y = x^p``: ``dx = p x^(p - 1) dy``.

    Summed over the axes along which x is repeated.
    """
    given = constant(back.input(1))
    if back.wanted != {0} or given is None:
        raise back.refused("its exponent is not constant")
    emit, x = back.emit, back.input(0)
    exponent = np.asarray(given, np.float64)
    # Where the exponent is 0 the result is 1, at 0 too.
    lower = np.where(exponent == 0, 0.0, exponent - 1)
    if exponent.size == 1 and exponent.item() == 2:
        raised = x
    else:
        raised = emit("Pow", x, lower.astype(emit.dtype.numpy()))
    slope = emit("Mul", raised, exponent.astype(emit.dtype.numpy()))
    return {0: sum_to_input(back, emit("Mul", back.gradient, slope), 0)}


def _times(back: Backward, slope: ir.Value) -> Mapping[int, ir.Value]:
    return {0: back.emit("Mul", back.gradient, slope)}
