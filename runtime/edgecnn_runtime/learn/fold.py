"""Batch normalisation folded into a convolution's weight, from parameters that were learnt."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecnn_runtime.arrays import Array, Float32, Float64
from edgecnn_runtime.training import FoldedNorm


def fold(norm: FoldedNorm, values: Mapping[str, Array]) -> dict[str, Float32]:
    """The folded weight and bias, by the names of their initialisers.

    ``weight' = s weight`` along the output channels, ``bias' = s (bias - mean) + beta``, where
    ``s = gamma / sqrt(variance + epsilon)``. In float64, and rounded once, as an export does.

    Args:
        values: parameters, statistics and constants, by name.
    """
    gamma, beta, mean, variance = (
        values[name].astype(np.float64)
        for name in (norm.gamma, norm.beta, norm.mean, norm.variance)
    )
    weight = values[norm.weight]
    bias = np.zeros(len(gamma)) if norm.bias is None else values[norm.bias].astype(np.float64)
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return {
        norm.folded_weight: _scaled(weight, scale, norm.axis).astype(np.float32),
        norm.folded_bias: (scale * (bias - mean) + beta).astype(np.float32),
    }


def _scaled(weight: Array, scale: Float64, axis: int) -> Float64:
    """The weight times `scale` along its output channels.

    Of a transposed convolution, (in, out / groups, …), they are axis 1 within each group.
    """
    kernel = [1] * (weight.ndim - 2)
    if axis == 0:
        along: Float64 = weight * scale.reshape(-1, 1, *kernel)
        return along
    groups = len(scale) // weight.shape[1]
    grouped = weight.reshape(groups, -1, *weight.shape[1:])
    split: Float64 = grouped * scale.reshape(groups, 1, -1, *kernel)
    return split.reshape(weight.shape)
