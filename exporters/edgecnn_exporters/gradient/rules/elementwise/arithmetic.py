"""Gradients of element-wise operators of several operands, with broadcasting.

Every gradient is summed over the axes along which its operand is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgecnn_exporters.gradient.broadcast import sum_to_input
from edgecnn_exporters.gradient.masks import as_float, mask
from edgecnn_exporters.gradient.rule import Backward


def add(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Add and Sum: dy of each operand."""
    return {index: sum_to_input(back, back.gradient, index) for index in back.wanted}


def subtract(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Sub: ``da = dy``, ``db = -dy``."""
    result: dict[int, ir.Value] = {}
    if 0 in back.wanted:
        result[0] = sum_to_input(back, back.gradient, 0)
    if 1 in back.wanted:
        result[1] = back.emit("Neg", sum_to_input(back, back.gradient, 1))
    return result


def multiply(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Mul: ``da = b dy``, ``db = a dy``."""
    return {
        index: sum_to_input(back, back.emit("Mul", back.gradient, back.input(1 - index)), index)
        for index in back.wanted
    }


def divide(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Div: ``da = dy / b``, ``db = -y dy / b``."""
    emit = back.emit
    share = emit("Div", back.gradient, back.input(1))
    result: dict[int, ir.Value] = {}
    if 0 in back.wanted:
        result[0] = sum_to_input(back, share, 0)
    if 1 in back.wanted:
        result[1] = emit("Neg", sum_to_input(back, emit("Mul", share, back.output), 1))
    return result


def mean(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Mean of n operands: ``dy / n`` of each."""
    share = back.emit("Mul", back.gradient, 1 / len(back.node.inputs))
    return {index: sum_to_input(back, share, index) for index in back.wanted}


def extreme(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Max and Min: dy of the operand that is the result, in equal shares of several.

    ``da = dy [a = y] / (number of operands equal to y)``.
    """
    emit, count = back.emit, len(back.node.inputs)
    chosen = [mask(emit, "Equal", back.input(index), back.output) for index in range(count)]
    share = emit("Div", back.gradient, emit("Sum", *chosen))
    return {
        index: sum_to_input(back, emit("Mul", share, chosen[index]), index) for index in back.wanted
    }


def where(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Where: ``da = dy`` where the condition is true, ``db = dy`` where it is not."""
    emit, dy, is_first = back.emit, back.gradient, as_float(back.emit, back.input(0))
    result: dict[int, ir.Value] = {}
    if 1 in back.wanted:
        result[1] = sum_to_input(back, emit("Mul", dy, is_first), 1)
    if 2 in back.wanted:
        result[2] = sum_to_input(back, emit("Mul", dy, emit("Sub", 1.0, is_first)), 2)
    return result
