"""Formulas of a plan's operations on whole images, (batch, channels, height, width), in numpy.

They are written from native/src/plan.h, and know neither rows, rings nor packed weights. Zero
points and factors are named as there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F = np.float32
Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Window:
    """Each pair is (vertical, horizontal); `pads` are those above and to the left."""

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pads: tuple[int, int] = (0, 0)

    def taps(self, axis: int, size: int) -> Integers:
        """Places along an axis that each output reads, (size, kernel); beyond the image, too."""
        start = np.arange(size) * self.stride[axis] - self.pads[axis]
        return start[:, None] + np.arange(self.kernel[axis]) * self.dilation[axis]


@dataclass(frozen=True)
class Ending:
    """What follows the arithmetic: a clamp, then a table."""

    low: int = 0
    high: int = 255
    table: Bytes | None = None

    def of(self, q: NDArray[np.generic]) -> Bytes:
        """Bytes of rounded results."""
        y = np.clip(q, self.low, self.high).astype(np.uint8)
        return y if self.table is None else self.table[y]


def windows(x: Bytes, window: Window, size: tuple[int, int], outside: int) -> Integers:
    """(batch, channels, height, kernel_h, width, kernel_w), with `outside` beyond the image."""
    rows, columns = (window.taps(axis, size[axis]) for axis in (0, 1))
    inside = [
        (taps >= 0) & (taps < length)
        for taps, length in zip((rows, columns), x.shape[2:], strict=True)
    ]
    taken = x[:, :, np.clip(rows, 0, x.shape[2] - 1)]
    taken = taken[..., np.clip(columns, 0, x.shape[3] - 1)]
    known = inside[0][:, :, None, None] & inside[1]
    return np.where(known, taken, outside).astype(np.int64)


def sums(x: Integers, weights: NDArray[np.int8], bias: NDArray[np.int32]) -> NDArray[np.int32]:
    """Of windows and weights (outputs, channels of a group, kernel_h, kernel_w)."""
    outputs, depth = weights.shape[:2]
    groups = x.shape[1] // depth
    parts = np.split(x.astype(np.float64), groups, axis=1)  # integers, exact, with fast products
    wide = [
        np.einsum("ncyixj,ocij->noyx", part, each.astype(np.float64), optimize=True)
        for part, each in zip(parts, np.split(weights, groups), strict=True)
    ]
    return (np.concatenate(wide, axis=1) + bias[:outputs, None, None]).astype(np.int32)


def scaled(sums: NDArray[np.int32], multiplier: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums times one multiplier a channel, in float32."""
    return sums.astype(F) * multiplier[: sums.shape[1], None, None]


def rounded(x: NDArray[np.float32], zero_point: int = 0) -> Integers:
    """rint(x) + zero_point; infinities and NaN are as far off as a clamp needs."""
    finite = np.nan_to_num(x.astype(np.float64), nan=-1e9, posinf=1e9, neginf=-1e9)
    return np.rint(np.clip(finite, -1e9, 1e9)).astype(np.int64) + zero_point


def fused(x: Bytes, factor: float, term: NDArray[np.float32]) -> NDArray[np.float32]:
    """fma(x, factor, term): one rounding."""
    wide = np.longdouble
    return (x.astype(wide) * wide(F(factor)) + term.astype(wide)).astype(F)


def add(x0: Bytes, x1: Bytes, factors: tuple[float, float, float]) -> Integers:
    """rint(fma(x0, a, fma(x1, b, c)))."""
    a, b, c = factors
    return rounded(fused(x0, a, fused(x1, b, np.full(x1.shape, c, F))))


def multiply(
    x0: Bytes, x1: Bytes, z0: int, z1: int, factors: tuple[float, float, float]
) -> Integers:
    """rint((float)((x0 - z0) (x1 - z1)) * a + c): two roundings."""
    product = (x0.astype(np.int64) - z0) * (x1.astype(np.int64) - z1)
    return rounded(product.astype(F) * F(factors[0]) + F(factors[2]))


def average(
    x: Integers, window: Window, image: tuple[int, int], z0: int, a: float, *, all_taps: bool
) -> NDArray[np.float32]:
    """Sums of (float)(x - z0) * a, tap after tap, over (float)count."""
    size = (x.shape[2], x.shape[4])
    counts = [np.full(size[axis], window.kernel[axis]) for axis in (0, 1)]
    if not all_taps:
        taps = [window.taps(axis, size[axis]) for axis in (0, 1)]
        counts = [((t >= 0) & (t < image[axis])).sum(axis=1) for axis, t in enumerate(taps)]
    count = (counts[0][:, None] * counts[1]).astype(F)
    reals = (x - z0).astype(F) * F(a)
    total = np.zeros((*x.shape[:3], x.shape[4]), F)
    for row, column in np.ndindex(window.kernel):
        total = total + reals[:, :, :, row, :, column]
    with np.errstate(divide="ignore", invalid="ignore"):
        result: NDArray[np.float32] = total / count
    return result


def bilinear(
    x: Bytes,
    first: list[NDArray[np.int64]],
    shares: list[NDArray[np.float32]],
    z0: int,
    scale: np.float32,
) -> NDArray[np.float32]:
    """Pixels between four, as reals; shares of rows and of columns, (size, 2)."""
    reals = (x.astype(np.int64) - z0).astype(F) * scale
    rows, columns = (
        (at, np.minimum(at + 1, n - 1)) for at, n in zip(first, x.shape[2:], strict=True)
    )
    v, u = shares[0][:, :, None], shares[1]
    total = np.zeros((), F)
    for below, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = u[:, right] * v[:, below]
        total = total + weight * reals[:, :, rows[below]][..., columns[right]]
    return total


def response_norm(
    x: Bytes, z0: int, size: int, roots: int, factors: tuple[float, float, float]
) -> NDArray[np.float32]:
    """(float)X * (a / root(b + c * (float)(sum of X * X))^roots) over `size` channels."""
    a, b, c = (F(factor) for factor in factors)
    deviation = x.astype(np.int64) - z0
    squares = np.zeros_like(deviation)
    for channel in range(x.shape[1]):
        begin = channel - (size - 1) // 2
        taken = deviation[:, max(begin, 0) : begin + size]
        squares[:, channel] = (taken**2).sum(axis=1)
    root = np.sqrt(np.sqrt(b + c * squares.astype(F)))
    power = root
    for _ in range(roots - 1):
        power = power * root
    return deviation.astype(F) * (a / power)


def softmax_integers(x: Bytes, exps: Integers, levels: int) -> Integers:
    """(E levels + sum / 2) / sum, E = exps[255 - max + x]."""
    most = x.max(axis=1, keepdims=True).astype(np.int64)
    e = exps[255 - most + x]
    total = e.sum(axis=1, keepdims=True)
    return (e * levels + total // 2) // total


def function(code: int, x: NDArray[np.float32], bounds: tuple[float, float]) -> NDArray[np.float32]:
    """Softmax, its logarithm, the logistic function or a clip, in float64."""
    wide = x.astype(np.float64)
    if code == 4:
        return np.clip(wide, *bounds).astype(F)
    if code == 3:
        return (1 / (1 + np.exp(-wide))).astype(F)
    shifted = wide - wide.max(axis=1, keepdims=True)
    total = np.exp(shifted).sum(axis=1, keepdims=True)
    return (np.exp(shifted) / total if code == 1 else shifted - np.log(total)).astype(F)
