"""Gradients of reductions: each value's share of its result's gradient.

In the formulas y and dy have the axes of x, those that are reduced with size 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.gradient.masks import mask
from edgecnn_exporters.gradient.rule import Backward

# The smallest normal float32: a divisor that is 0 only where the dividend is.
_TINY = float(np.finfo(np.float32).tiny)


def reduce_sum(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of ReduceSum: ``dx = dy``, repeated."""
    return {0: _repeat(back, _kept(back, back.gradient))}


def reduce_mean(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of ReduceMean of n values: ``dx = dy / n``, repeated."""
    share = back.emit("Div", _kept(back, back.gradient), _count(back))
    return {0: _repeat(back, share)}


def reduce_extreme(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of ReduceMax and ReduceMin: ``dx = dy [x = y] / (number of x equal to y)``."""
    emit, x = back.emit, back.input(0)
    chosen = mask(emit, "Equal", x, _kept(back, back.output))
    count = emit("ReduceSum", chosen, _axes(back), keepdims=1)
    return {0: emit("Mul", chosen, emit("Div", _kept(back, back.gradient), count))}


def reduce_l1(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of ReduceL1: ``dx = sign(x) dy``."""
    return {0: back.emit("Mul", back.emit("Sign", back.input(0)), _kept(back, back.gradient))}


def reduce_l2(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of ReduceL2: ``dx = x dy / y``, 0 where all of x is."""
    emit = back.emit
    length = emit("Max", _kept(back, back.output), _TINY)
    return {0: emit("Mul", back.input(0), emit("Div", _kept(back, back.gradient), length))}


def reduce_sum_square(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of ReduceSumSquare: ``dx = 2 x dy``."""
    twice = back.emit("Mul", _kept(back, back.gradient), 2.0)
    return {0: back.emit("Mul", back.input(0), twice)}


def reduce_log_sum(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of ReduceLogSum: ``dx = exp(-y) dy``, repeated."""
    emit = back.emit
    inverse = emit("Exp", emit("Neg", _kept(back, back.output)))
    return {0: _repeat(back, emit("Mul", _kept(back, back.gradient), inverse))}


def reduce_log_sum_exp(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of ReduceLogSumExp: ``dx = exp(x - y) dy``."""
    emit = back.emit
    share = emit("Exp", emit("Sub", back.input(0), _kept(back, back.output)))
    return {0: emit("Mul", share, _kept(back, back.gradient))}


def _axes(back: Backward) -> list[int]:
    """The axes that are reduced, in order, from 0 on."""
    count = len(back.shape())
    given = back.integers(1, "axes")
    if not given:
        if back.node.attributes.get_int("noop_with_empty_axes", 0):
            return []
        return list(range(count))
    return sorted(axis % count for axis in given)


def _kept(back: Backward, value: ir.Value) -> ir.Value:
    """A value of the output's shape, with the axes of x."""
    axes = _axes(back)
    if back.node.attributes.get_int("keepdims", 1) or not axes:
        return value
    return back.emit("Unsqueeze", value, axes)


def _repeat(back: Backward, value: ir.Value) -> ir.Value:
    """The value, repeated along the axes that are reduced."""
    shape, axes = back.shape(), _axes(back)
    extents = [shape[axis] if axis in axes else 1 for axis in range(len(shape))]
    fixed = [extent for extent in extents if extent is not None]
    if len(fixed) < len(extents):
        return back.emit("Expand", value, back.emit("Shape", back.input(0)))
    return back.emit("Expand", value, fixed)


def _count(back: Backward) -> ir.Value | float:
    """Number of values that are reduced to one."""
    emit, shape, axes = back.emit, back.shape(), _axes(back)
    extents = [shape[axis] for axis in axes]
    fixed = [extent for extent in extents if extent is not None]
    if len(fixed) == len(extents):
        return float(prod(fixed))
    reduced = emit("Gather", emit("Shape", back.input(0)), axes, axis=0)
    return emit("Cast", emit("ReduceProd", reduced, keepdims=0), to=int(emit.dtype))
