"""Gradient of a broadcast operand: summed over the axes along which it was repeated."""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.gradient.rule import Backward


def sum_to_input(back: Backward, gradient: ir.Value, index: int) -> ir.Value:
    """A gradient of the output's shape, summed to the shape of the input of that index.

    ``dx[i] = sum of dy[j] over all j that broadcasting makes of i``.
    """
    shape, result = back.shape(index), back.output_shape()
    added = len(result) - len(shape)
    repeated = [
        axis
        for axis, extent in enumerate(result)
        if axis < added or (shape[axis - added] == 1 and extent != 1)
    ]
    if not repeated:
        return gradient
    summed = back.emit("ReduceSum", gradient, repeated, keepdims=1)
    if not added:
        return summed
    return back.emit("Squeeze", summed, list(range(added)))
