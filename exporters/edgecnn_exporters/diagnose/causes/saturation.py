"""Emulation of a quantised Conv or Gemm whose kernel adds pairs of products in 16 bits.

`edgecnn_exporters.targets.saturation` has the arithmetic of a pair and the processors concerned.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.weights import input_of, reals
from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.targets.saturation import add_pairs
from edgecnn_runtime.arrays import Array

# Order of a sum's terms over window and channels: neighbours form a pair.
ORDERS = {"channels last": (0, 2, 3, 4, 5, 1), "channels first": (0, 2, 3, 1, 4, 5)}


def saturated(
    model: ir.Model, feeds: Mapping[str, Array], order: str = "channels last"
) -> tuple[Array, Array] | None:
    """Output of a region of one quantised Conv or Gemm, exact and with 16-bit pairs.

    Both are reals before rounding to 8 bits, after a Relu or Clip that follows the sum. None for
    any other region, and for a Conv in groups, which other kernels compute.

    Args:
        order: one of `ORDERS`; kernels differ in it.
    """
    sums = [node for node in model.graph if node.op_type in ("Conv", "Gemm")]
    if len(sums) != 1 or sums[0].attributes.get_int("group", 1) != 1:
        return None
    node = sums[0]
    read = _integers(node.inputs[0], feeds)
    weight = node.inputs[1].producer() if node.inputs[1] is not None else None
    if read is None or weight is None or weight.op_type != "DequantizeLinear":
        return None
    integers, zero, scale = read
    if not (integers >= 0).all():
        return None  # VPMADDUBSW takes unsigned activations
    weights, scales = constant(weight.inputs[0]), constant(weight.inputs[1])
    if weights is None or scales is None:
        return None
    columns, shape = _columns(integers, node, weights, zero, order)
    rows = _rows(weights, order)
    if columns.shape[1] != rows.shape[1]:
        return None
    offset = zero * rows.sum(axis=1).astype(np.int64)
    bias = reals(input_of(node, 2))
    exact = columns.astype(np.int64) @ rows.T.astype(np.int64) - offset
    short = add_pairs(columns, rows) - offset
    return tuple(  # type: ignore[return-value] # two of them
        _finish(model, accumulated * (scale * scales) + (0 if bias is None else bias), shape)
        for accumulated in (exact, short)
    )


def _integers(
    value: ir.Value | None, feeds: Mapping[str, Array]
) -> tuple[Array, int, float] | None:
    """A quantised value as unsigned integers, with zero point and scale."""
    back = value.producer() if value is not None else None
    to = back.inputs[0].producer() if back is not None and back.inputs[0] is not None else None
    if back is None or to is None or to.op_type != "QuantizeLinear" or to.inputs[0] is None:
        return None
    fed = feeds.get(str(to.inputs[0].name))
    scale, zero = constant(to.inputs[1]), constant(to.inputs[2])
    if fed is None or scale is None or zero is None or scale.size != 1 or zero.size != 1:
        return None
    limits = np.iinfo(zero.dtype)
    steps = np.rint(fed / np.float32(scale)) + zero.astype(np.int32)
    shift = -int(limits.min)
    integers = np.clip(steps, limits.min, limits.max).astype(np.int64) + shift
    return integers, zero.item() + shift, scale.item()


def _columns(
    integers: Array, node: ir.Node, weights: Array, zero: int, order: str
) -> tuple[Array, tuple[int, ...]]:
    """Terms of each sum, (positions, terms), and the shape of the output."""
    if weights.ndim == 2:
        return integers, (len(integers), len(weights))
    top, left, bottom, right = node.attributes.get_ints("pads", [0, 0, 0, 0])
    down, across = node.attributes.get_ints("strides", [1, 1])
    tall, wide = node.attributes.get_ints("dilations", [1, 1])
    margins = ((0, 0), (0, 0), (top, bottom), (left, right))
    padded = np.pad(integers, margins, constant_values=zero)
    height, width = ((k - 1) * d + 1 for k, d in zip(weights.shape[2:], (tall, wide), strict=True))
    views = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    views = views[:, :, ::down, ::across, ::tall, ::wide]
    batch, _, rows, columns = views.shape[:4]
    ordered = views.transpose(ORDERS[order]).reshape(batch * rows * columns, -1)
    return ordered, (batch, rows, columns, len(weights))


def _rows(weights: Array, order: str) -> Array:
    """Weights, (channels, terms), in the order of `_columns`."""
    if weights.ndim == 4 and order == "channels last":
        weights = weights.transpose(0, 2, 3, 1)
    return weights.reshape(len(weights), -1)


def _finish(model: ir.Model, sums: Array, shape: tuple[int, ...]) -> Array:
    output = sums.reshape(shape)
    if len(shape) == 4:
        output = output.transpose(0, 3, 1, 2)
    for node in model.graph:
        if node.op_type == "Relu":
            output = np.maximum(output, 0)
        elif node.op_type == "Clip":
            low, high = reals(input_of(node, 1)), reals(input_of(node, 2))
            output = np.clip(
                output, -np.inf if low is None else low, np.inf if high is None else high
            )
    return output.astype(np.float32)
