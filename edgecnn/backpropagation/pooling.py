"""Gradients of pooling layers: to the largest of a window alone, or in equal shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecnn.backpropagation.convolution import Pair, pad, tap
from edgecnn_runtime.arrays import Float64, Int64

Bool = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Windows:
    """Windows of a pooling layer; rows first.

    Attributes:
        padding: rows above and below, columns left and right.
    """

    taps: Pair
    stride: Pair
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    def members(self, axis: int, extent: int, outputs: int) -> Bool:
        """Which inputs each window holds along an axis: (outputs, extent)."""
        begins = np.arange(outputs)[:, None] * self.stride[axis] - self.padding[axis]
        offsets = np.arange(extent)[None, :] - begins
        inside = (offsets >= 0) & (offsets <= self.dilation[axis] * (self.taps[axis] - 1))
        return np.asarray(inside & (offsets % self.dilation[axis] == 0))

    def counts(self, axis: int, extent: int, outputs: int) -> Int64:
        """Members of each window (outputs,) along an axis, where zeros of the padding count."""
        begins = np.arange(outputs) * self.stride[axis] - self.padding[axis]
        ends = np.minimum(begins + self.taps[axis], extent + self.padding[axis])
        return np.asarray(ends - begins)


def adaptive_members(extent: int, outputs: int) -> Bool:
    """As `Windows.members`, of windows that divide an axis into `outputs` parts, as in PyTorch.

    Part i begins at ``floor(i · extent / outputs)`` and ends at
    ``ceil((i + 1) · extent / outputs)``.
    """
    parts, inputs = np.arange(outputs)[:, None], np.arange(extent)[None, :]
    begins, ends = parts * extent // outputs, -(-(parts + 1) * extent // outputs)
    return np.asarray((inputs >= begins) & (inputs < ends))


def largest(values: Float64, windows: Windows, size: Pair) -> Int64:
    """Place ``row · W + column`` of the largest of each window: (C, h, w) of an input (C, H, W).

    Of equals the first, row by row, as in PyTorch. Padding is never the largest.

    Args:
        size: (h, w) of the layer's output.
    """
    channels, height, width = values.shape
    places = np.arange(height * width, dtype=float).reshape(1, height, width)
    margins = _margins(windows, (height, width), size)
    padded, padded_places = pad(values, margins, -np.inf), pad(places, margins)
    best = np.full((channels, *size), -np.inf)
    winners = np.zeros((channels, *size))
    for row, column in np.ndindex(*windows.taps):
        begin = (row * windows.dilation[0], column * windows.dilation[1])
        seen = tap(padded, begin, windows.stride, size)
        is_larger = seen > best
        winners = np.where(is_larger, tap(padded_places, begin, windows.stride, size), winners)
        best = np.where(is_larger, seen, best)
    return winners.astype(np.int64)


def _margins(windows: Windows, extents: Pair, size: Pair) -> tuple[int, int, int, int]:
    """Rows and columns around an input that its windows reach; with ceil_mode more at the end."""
    margins: list[int] = []
    for axis in (0, 1):
        before, reach = windows.padding[axis], windows.dilation[axis] * (windows.taps[axis] - 1)
        end = windows.stride[axis] * (size[axis] - 1) + reach + 1
        margins += (before, max(0, end - extents[axis] - before))
    above, below, left, right = margins
    return above, below, left, right


def max_pool_gradient(output_gradient: Float64, places: Int64, size: Pair) -> Float64:
    """dL/dX (C, H, W): each dL/dY (C, h, w) is added at the place that `largest` names."""
    channels = len(output_gradient)
    gradient = np.zeros((channels, size[0] * size[1]))
    rows = np.arange(channels)[:, None]
    np.add.at(gradient, (rows, places.reshape(channels, -1)), output_gradient.reshape(channels, -1))
    return gradient.reshape(channels, *size)


def average_pool_gradient(output_gradient: Float64, rows: Float64, columns: Float64) -> Float64:
    """dL/dX (C, H, W) of ``Y = rows X columnsᵀ``: each dL/dY (C, h, w) in equal shares.

    Args:
        rows: (h, H), share of each input row in each output row; columns: (w, W).
    """
    return np.asarray(rows.T @ output_gradient @ columns)
