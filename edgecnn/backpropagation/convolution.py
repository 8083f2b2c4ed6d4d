"""Gradients of a 2-D convolution: full convolution with the rotated kernel, and correlations.

With ``⋆`` a cross-correlation, per group, for strides s, dilations d, padding p and taps k:

* ``Y_o = b_o + Σ_c X_c ⋆ F_oc``
* ``dL/dX_c = Σ_o pad(zeros_between(dL/dY_o, s), d (k - 1)) ⋆ rotate_180(F_oc)``, without the p rows
  and columns of the padding. To correlate so is the full convolution with F.
* ``dL/dF_oc = X_c ⋆ dL/dY_o``, where stride and dilation have changed places.
* ``dL/db_o = Σ dL/dY_o``

Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", chapter 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgecnn_runtime.arrays import Float64

Pair = tuple[int, int]


@dataclass(frozen=True)
class Convolution:
    """Geometry of a 2-D convolution; rows first.

    Attributes:
        padding: zeros above, below, left and right of its input.
    """

    taps: Pair
    stride: Pair = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    @property
    def reach(self) -> Pair:
        """``d (k - 1)``: rows and columns between the first and the last tap."""
        rows, columns = (d * (k - 1) for d, k in zip(self.dilation, self.taps, strict=True))
        return rows, columns


def rotate_180(kernel: Float64) -> Float64:
    """The kernel (…, kH, kW) rotated by 180 degrees: its rows and its columns reversed."""
    return kernel[..., ::-1, ::-1]


def zeros_between(values: Float64, steps: Pair) -> Float64:
    """(…, h, w) with ``step - 1`` zeros between two neighbours: ``s (h - 1) + 1`` rows."""
    *others, height, width = values.shape
    extents = (steps[0] * (height - 1) + 1, steps[1] * (width - 1) + 1)
    spread = np.zeros((*others, *extents))
    spread[..., :: steps[0], :: steps[1]] = values
    return spread


def pad(values: Float64, padding: tuple[int, int, int, int], fill: float = 0.0) -> Float64:
    """(…, h, w) with `padding` rows above and below, columns left and right."""
    above, below, left, right = padding
    others = [(0, 0)] * (values.ndim - 2)
    return np.pad(values, [*others, (above, below), (left, right)], constant_values=fill)


def correlate(
    values: Float64,
    kernels: Float64,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Float64:
    """Cross-correlation (O, h, w), nothing padded.

    Args:
        values: (C, H, W).
        kernels: (O, C/groups, kH, kW).
    """
    outputs, depth, *taps = kernels.shape
    height, width = (
        (extent - d * (k - 1) - 1) // s + 1
        for extent, k, s, d in zip(values.shape[1:], taps, stride, dilation, strict=True)
    )
    weights = kernels.reshape(groups, outputs // groups, depth, *taps)
    total = np.zeros((groups, outputs // groups, height * width))
    for row, column in np.ndindex(*taps):
        begin = (row * dilation[0], column * dilation[1])
        seen = tap(values, begin, stride, (height, width)).reshape(groups, depth, -1)
        total += weights[..., row, column] @ seen
    return total.reshape(outputs, height, width)


def tap(values: Float64, begin: Pair, stride: Pair, size: Pair) -> Float64:
    """What one tap of a kernel sees: (…, h, w) of (…, H, W), from `begin` in steps of `stride`."""
    rows, columns = (
        slice(first, first + step * (extent - 1) + 1, step)
        for first, step, extent in zip(begin, stride, size, strict=True)
    )
    return values[..., rows, columns]


def convolve(values: Float64, kernels: Float64, convolution: Convolution) -> Float64:
    """The layer's output (O, h, w) without its bias, from its input (C, H, W)."""
    padded = pad(values, convolution.padding)
    return correlate(padded, kernels, convolution.stride, convolution.dilation, convolution.groups)


def pad_fully(output_gradient: Float64, convolution: Convolution) -> Float64:
    """dL/dY (O, h, w) with the stride's zeros between, padded by ``d (k - 1)`` on every side."""
    rows, columns = convolution.reach
    spread = zeros_between(output_gradient, convolution.stride)
    return pad(spread, (rows, rows, columns, columns))


def full_convolution(
    output_gradient: Float64, kernels: Float64, convolution: Convolution
) -> Float64:
    """Gradient with respect to the padded input: (C, rows, columns) that the taps reached.

    Args:
        output_gradient: (O, h, w).
        kernels: (O, C/groups, kH, kW).
    """
    outputs, depth, *taps = kernels.shape
    groups = convolution.groups
    # Each input channel sums over the outputs of its group: the two axes change places.
    by_group = rotate_180(kernels).reshape(groups, outputs // groups, depth, *taps)
    swapped = by_group.swapaxes(1, 2).reshape(groups * depth, outputs // groups, *taps)
    padded = pad_fully(output_gradient, convolution)
    return correlate(padded, swapped, dilation=convolution.dilation, groups=groups)


def input_gradient(
    output_gradient: Float64, kernels: Float64, convolution: Convolution, size: Pair
) -> Float64:
    """dL/dX (C, H, W) for an input of `size`: the full convolution without the padding's rows.

    Rows and columns at the end that no stride reaches have gradient 0.
    """
    full = full_convolution(output_gradient, kernels, convolution)
    above, _, left, _ = convolution.padding
    inner = full[:, above : above + size[0], left : left + size[1]]
    gradient = np.zeros((len(full), *size))
    gradient[:, : inner.shape[1], : inner.shape[2]] = inner
    return gradient


def kernel_gradient(values: Float64, output_gradient: Float64, convolution: Convolution) -> Float64:
    """dL/dF (O, C/groups, kH, kW): the input correlated with the output gradient, s apart.

    Args:
        values: the layer's input (C, H, W).
        output_gradient: (O, h, w).
    """
    groups = convolution.groups
    outputs, *size = output_gradient.shape
    height, width = size
    depth = len(values) // groups
    padded = pad(values, convolution.padding)
    rows = output_gradient.reshape(groups, outputs // groups, -1)
    gradient = np.zeros((groups, outputs // groups, depth, *convolution.taps))
    for row, column in np.ndindex(*convolution.taps):
        begin = (row * convolution.dilation[0], column * convolution.dilation[1])
        seen = tap(padded, begin, convolution.stride, (height, width)).reshape(groups, depth, -1)
        gradient[..., row, column] = rows @ seen.swapaxes(1, 2)
    return gradient.reshape(outputs, depth, *convolution.taps)


def bias_gradient(output_gradient: Float64) -> Float64:
    """dL/db (O,): the sum over the output's places, each of which the bias was added to."""
    return np.asarray(output_gradient.sum(axis=(1, 2)))
