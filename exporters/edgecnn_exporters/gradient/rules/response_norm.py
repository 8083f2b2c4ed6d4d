"""Gradient of LRN, the response normalisation across channels."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.gradient.rule import Backward
from edgecnn_exporters.gradient.rules.moves import shape_operand


def response_norm(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of LRN: ``y = x s^-beta``, ``s = bias + alpha mean of x^2`` over `size` channels.

    ``dx = s^-beta dy - 2 alpha beta x mean' of (dy x s^(-beta - 1))``: mean' is the transposed one,
    over the channels whose window has this one. The window of channel c is from
    ``c - floor((size - 1) / 2)`` to ``c + ceil((size - 1) / 2)`` (ONNX, LRN), and channels outside
    are 0; x is (N, C, …). Krizhevsky et al. 2012, section 3.3.
    """
    emit, dy, x = back.emit, back.gradient, back.input(0)
    attributes = back.node.attributes
    size = attributes.get_int("size", 1)
    alpha, beta = attributes.get_float("alpha", 1e-4), attributes.get_float("beta", 0.75)
    bias = attributes.get_float("bias", 1.0)
    channels = back.shape()[1]
    if channels is None:
        raise back.refused("the number of its channels is not fixed")
    # One plane an image: (N, 1, C, pixels).
    planes = [0, 1, channels, -1]
    flat, upstream = emit("Reshape", x, planes), emit("Reshape", dy, planes)
    below, above = (size - 1) // 2, size - 1 - (size - 1) // 2
    squares = _mean(emit, emit("Mul", flat, flat), below, above)
    sums = emit("Add", emit("Mul", squares, alpha), bias)
    # Not as a Pow, which ONNX Runtime 1.32 takes six times as long for.
    power = emit("Exp", emit("Mul", emit("Log", sums), -beta))
    direct = emit("Mul", upstream, power)
    shared = emit("Div", emit("Mul", direct, flat), sums)
    across = emit("Mul", emit("Mul", flat, 2 * alpha * beta), _mean(emit, shared, above, below))
    return {0: emit("Reshape", emit("Sub", direct, across), shape_operand(back, 0))}


def _mean(emit: Emitter, planes: ir.Value, below: int, above: int) -> ir.Value:
    """Mean over the channels from `below` before to `above` behind; (N, 1, C, pixels)."""
    return emit(
        "AveragePool",
        planes,
        kernel_shape=[below + above + 1, 1],
        pads=[below, 0, above, 0],
        count_include_pad=1,
    )
