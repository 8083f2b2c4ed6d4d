"""Image resampling in numpy, bit-exact to Pillow, restricted to the needed rows and columns.

Networks are trained on images that Pillow resized. Another resampling (OpenCV's, say, which does
not widen its filter when it shrinks) moves edges and costs accuracy, so this one follows Pillow's
`Image.resize` to the last bit:

- the filter is widened by the factor of shrinking, so that every source pixel counts;
- one axis after the other, the result of the first rounded to whole grey levels;
- weights are rounded to multiples of 2⁻²².

The weights of neighbouring outputs overlap. With `BLOCK` outputs at a time, a pass is a row of
small dense matrix products over the few source pixels that a block reads. Grey levels times such
weights are exact in float64, in any order of summation by a BLAS: hence equal, not just close.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from edgecnn_runtime.arrays import Float64, Int64, UInt8
from edgecnn_runtime.manifest import Filter

# Outputs of one matrix product. Fewer mean more calls, more mean more zeros multiplied; of 4, 8
# and 16, photographs of 500×375 and 1280×720 pixels shrink fastest with 8.
BLOCK = 8
# OpenBLAS starts threads above 2¹⁸ multiplications: on products this thin they save little, and
# they wait when another program has the core.
PRODUCT_LIMIT = 1 << 18
# float64 values in memory at a time: 2 MiB for any size of image. Half of that makes 640 columns
# a quarter slower; more gains nothing.
CHUNK_LIMIT = 1 << 18
# Plans that are kept, and bytes of the weights of one, at most: 64 MiB together, whatever images
# come. A photograph of 12,000 pixels shrunk to 224 has 1 MiB of them.
KEPT = 64
KEPT_BYTES = 1 << 20


@dataclass(frozen=True)
class Kernel:
    """Resampling filter: half width in pixels, and height as a function of the distance."""

    support: float
    height: Callable[[Float64], Float64]


def _triangle(distance: Float64) -> Float64:
    result: Float64 = np.maximum(1 - np.abs(distance), 0)
    return result


def _cubic(distance: Float64) -> Float64:
    """Cubic convolution kernel, Keys 1981, equation 4, with a = -0.5."""
    x = np.abs(distance)
    near = (1.5 * x - 2.5) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * -0.5
    return np.where(x < 1, near, np.where(x < 2, far, 0))


KERNELS: dict[Filter, Kernel] = {"bilinear": Kernel(1, _triangle), "bicubic": Kernel(2, _cubic)}


@dataclass(frozen=True, eq=False)
class Axis:
    """Resampling plan of a part of one axis.

    Attributes:
        reads: source positions that the part needs.
        starts: first position, counted from the start of `reads`, that each block reads.
        weights: (blocks, positions, BLOCK). Block b of the result is
            ``source[starts[b] : starts[b] + positions] @ weights[b]``. No blocks: the axis keeps
            its length, and `reads` is the result.
    """

    reads: slice
    starts: tuple[int, ...]
    weights: Float64


def resize(
    image: UInt8, size: tuple[int, int], kernel: Filter, rows: range, columns: range
) -> UInt8:
    """Part `rows` × `columns` of the image resized to `size`; the rest is not computed.

    Args:
        image: (H, W, C).
        size: (height, width) in pixels of the whole resized image.
        rows: of the resized image, step 1, not empty.
        columns: likewise.

    Returns:
        (len(rows), len(columns), C), a view: each channel is a plane of its own in memory, or the
        view is of the input where nothing had to be resized.
    """
    height, width = image.shape[:2]
    down = plan_axis(height, size[0], kernel, rows.start, rows.stop)
    across = plan_axis(width, size[1], kernel, columns.start, columns.stop)
    planes = image[down.reads, across.reads].transpose(2, 0, 1)
    if is_vertical_first((height, width), size):
        planes = _resample_across(_resample_down(planes, down, len(rows)), across, len(columns))
    else:
        planes = _resample_down(_resample_across(planes, across, len(columns)), down, len(rows))
    return planes.transpose(1, 2, 0)


def is_vertical_first(source: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether Pillow resizes the height before the width, both sizes being (height, width).

    Since Pillow 13 (its pull request 9549) it does when the height loses more than twice as many
    pixels as the width. Older ones always begin with the width; there the grey levels of such an
    image can differ.
    """
    height_lost, width_lost = source[0] - size[0], source[1] - size[1]
    return height_lost > max(0, 2 * width_lost)


def plan_axis(length: int, resized: int, kernel: Filter, start: int, stop: int) -> Axis:
    """Plan for positions `start` to `stop` of an axis resized from `length` to `resized`."""
    if length == resized:
        return Axis(slice(start, stop), (), np.empty((0, 0, BLOCK)))
    positions = (BLOCK + 2 * KERNELS[kernel].support) * max(length / resized, 1.0)
    weights_bytes = (stop - start) * positions * np.dtype(np.float64).itemsize
    make = _kept_plan if weights_bytes <= KEPT_BYTES else _make_plan
    return make(length, resized, kernel, start, stop)


@lru_cache(maxsize=KEPT)
def _kept_plan(length: int, resized: int, kernel: Filter, start: int, stop: int) -> Axis:
    return _make_plan(length, resized, kernel, start, stop)


def _make_plan(length: int, resized: int, kernel: Filter, start: int, stop: int) -> Axis:
    first, last, taps = _taps(length, resized, KERNELS[kernel], np.arange(start, stop))
    lowest, reads = int(first[0]), int(last[-1] - first[0])
    first, last = first - lowest, last - lowest
    begins = np.arange(0, stop - start, BLOCK)
    ends = np.minimum(begins + BLOCK, stop - start) - 1
    positions = int((last[ends] - first[begins]).max())
    # Blocks at the end read fewer positions; begun earlier, they fit one array with the others.
    starts = np.minimum(first[begins], reads - positions)
    weights = np.zeros((len(begins), positions, BLOCK))
    output, tap = np.nonzero(np.arange(taps.shape[1]) < (last - first)[:, None])
    block = output // BLOCK
    weights[block, first[output] + tap - starts[block], output % BLOCK] = taps[output, tap]
    return Axis(slice(lowest, lowest + reads), tuple(starts.tolist()), weights)


def _taps(
    length: int, resized: int, kernel: Kernel, outputs: Int64
) -> tuple[Int64, Int64, Float64]:
    """Source positions (first, last + 1) that each output reads, and their weights.

    Returns:
        (N,), (N,) and (N, most positions read); each row of weights adds up to 1, but for the
        rounding to multiples of 2⁻²², and ends in zeros.
    """
    scale = length / resized
    widening = max(scale, 1.0)
    centre = (outputs + 0.5) * scale
    # astype truncates towards zero, as C does: the rounding of positions is Pillow's.
    first = (centre - kernel.support * widening + 0.5).astype(np.int64).clip(min=0)
    last = (centre + kernel.support * widening + 0.5).astype(np.int64).clip(max=length)
    position = first[:, None] + np.arange((last - first).max())
    height = kernel.height((position - centre[:, None] + 0.5) * (1 / widening))
    height[position >= last[:, None]] = 0
    height /= height.sum(axis=1, keepdims=True)
    return first, last, np.trunc(height * 2**22 + np.copysign(0.5, height)) / 2**22


def _resample_across(planes: UInt8, axis: Axis, width: int) -> UInt8:
    """Resample the width: (C, H, W) to (C, H, width), a few rows at a time."""
    if not axis.starts:
        return planes
    channels, height, source_width = planes.shape
    result = np.empty((channels, height, width), np.uint8)
    chunks = _chunks(axis, height, source_width, channels)
    source = np.empty((channels, len(chunks[0]), source_width))
    lines = source.reshape(-1, source_width)
    sums = np.empty((len(lines), width))
    for rows in chunks:
        source[...] = planes[:, rows.start : rows.stop]
        for block, (start, weights) in enumerate(zip(axis.starts, axis.weights, strict=True)):
            target = sums[:, block * BLOCK : (block + 1) * BLOCK]
            reads = lines[:, start : start + len(weights)]
            np.matmul(reads, weights[:, : target.shape[1]], out=target)
        _write_grey_levels(sums.reshape(channels, -1, width), result[:, rows.start : rows.stop])
    return result


def _resample_down(planes: UInt8, axis: Axis, height: int) -> UInt8:
    """Resample the height: (C, H, W) to (C, height, W), a few columns at a time."""
    if not axis.starts:
        return planes
    channels, source_height, width = planes.shape
    result = np.empty((channels, height, width), np.uint8)
    # numpy makes one product of each plane, so a product's lines are those of one channel.
    chunks = _chunks(axis, width, source_height * channels, 1)
    source = np.empty((channels, source_height, len(chunks[0])))
    sums = np.empty((channels, height, len(chunks[0])))
    for columns in chunks:
        source[...] = planes[:, :, columns.start : columns.stop]
        for block, (start, weights) in enumerate(zip(axis.starts, axis.weights, strict=True)):
            target = sums[:, block * BLOCK : (block + 1) * BLOCK]
            reads = source[:, start : start + len(weights)]
            np.matmul(weights[:, : target.shape[1]].T, reads, out=target)
        _write_grey_levels(sums, result[:, :, columns.start : columns.stop])
    return result


def _chunks(axis: Axis, lines: int, values: int, channels: int) -> list[range]:
    """Ranges of equal length that cover `lines` rows or columns of `values` float64 each.

    The last overlaps the one before it, so that the same buffers serve for all.
    """
    blocks, positions, outputs = axis.weights.shape
    by_product = PRODUCT_LIMIT // (positions * outputs * channels)
    by_memory = CHUNK_LIMIT // max(values, blocks * outputs)
    count = -(-lines // max(1, min(by_product, by_memory)))
    length = -(-lines // count)
    return [range(stop - length, stop) for stop in (*range(length, lines, length), lines)]


def _write_grey_levels(sums: Float64, levels: UInt8) -> None:
    """Write `sums`, rounded half up and clipped to 0…255, to `levels`; overwrites `sums`."""
    sums += 0.5
    np.clip(sums, 0, 255, out=sums)
    np.copyto(levels, sums, casting="unsafe")
