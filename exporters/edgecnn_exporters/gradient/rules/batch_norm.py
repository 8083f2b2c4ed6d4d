"""Gradient of BatchNormalization whose statistics are constant."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgecnn_exporters.gradient.rule import Backward
from edgecnn_exporters.passes.graph import is_set


def batch_norm(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of BatchNormalization with running statistics, x (N, C, …), the rest (C,).

    ``y = gamma z + beta`` with ``z = (x - mean) / sqrt(variance + epsilon)``:
    ``dx = dy gamma / sqrt(variance + epsilon)``, ``dgamma = sum of dy z``, ``dbeta = sum of dy``,
    sums over all but the channels. `gradient.batch_statistics` is for statistics of the batch.
    """
    if is_set(back.node, "training_mode"):
        raise back.refused("it is in training mode; capture the network in evaluation mode")
    if back.wanted & {3, 4}:
        raise back.refused("its statistics are computed")
    emit, dy, axes = back.emit, back.gradient, [0, *range(2, len(back.shape()))]
    epsilon = back.node.attributes.get_float("epsilon", 1e-5)
    variance, mean = back.input(4), back.input(3)
    steepness = emit("Reciprocal", emit("Sqrt", emit("Add", variance, epsilon)))
    result: dict[int, ir.Value] = {}
    by_channel = [-1, *[1] * (len(axes) - 1)]
    if 0 in back.wanted:
        scale = emit("Mul", back.input(1), steepness)
        result[0] = emit("Mul", dy, emit("Reshape", scale, by_channel))
    if 1 in back.wanted:
        centred = emit("Sub", back.input(0), emit("Reshape", mean, by_channel))
        product = emit("ReduceSum", emit("Mul", dy, centred), axes, keepdims=0)
        result[1] = emit("Mul", product, steepness)
    if 2 in back.wanted:
        result[2] = emit("ReduceSum", dy, axes, keepdims=0)
    return result
