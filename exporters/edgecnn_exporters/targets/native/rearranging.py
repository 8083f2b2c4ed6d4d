"""Layers that put the values of an image into another order: channels, blocks, rows and columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgecnn_exporters.targets.native.layers import Image, Layer, Window
from edgecnn_exporters.targets.native.records import TAP_SHIFT, Code
from edgecnn_runtime.arrays import Array

# Taps of a window that a map of CHANNELS numbers.
MOST_TAPS = 1 << (32 - TAP_SHIFT)


def rearrange(source: Image, result: Image, index: Array) -> Layer | None:
    """The layer that writes values of an image in another order; None where no kernel does.

    Args:
        index: (channels, height, width) of the result: the place of each value in the source, as
            ``(channel * height + row) * width + column``.
    """
    channel, row, column = np.unravel_index(index, (source.channels, *source.size))
    layer = Layer(Code.CHANNELS, (source.name,), result.name, source.channels, result.channels)
    return (
        _from_windows(layer, source, result, channel, row, column)
        or _from_blocks(layer, source, result, channel, row, column)
        or _from_rows(layer, result, channel, row, column)
    )


def _from_windows(
    layer: Layer, source: Image, result: Image, channel: Array, row: Array, column: Array
) -> Layer | None:
    """CHANNELS: each pixel from a block of pixels, all blocks in the same order."""
    (high, more), (wide, others) = (
        divmod(size, count) for size, count in zip(source.size, result.size, strict=True)
    )
    rows, columns = np.arange(result.height)[:, None], np.arange(result.width)
    top, left = row[:, :1, :1], column[:, :1, :1]
    is_regular = (
        (more, others) == (0, 0)
        and 0 < high * wide <= MOST_TAPS
        and max(top.max() - high, left.max() - wide) < 0
        and np.array_equal(channel, np.broadcast_to(channel[:, :1, :1], channel.shape))
        and np.array_equal(row, np.broadcast_to(top + rows * high, row.shape))
        and np.array_equal(column, np.broadcast_to(left + columns * wide, column.shape))
    )
    if not is_regular:
        return None
    taps = (top * wide + left).reshape(-1) << TAP_SHIFT
    window = Window((high, wide), (high, wide))
    return replace(layer, window=window, index=taps + channel[:, 0, 0])


def _from_blocks(
    layer: Layer, source: Image, result: Image, channel: Array, row: Array, column: Array
) -> Layer | None:
    """DEPTH_TO_SPACE: each block of pixels from the channels of one."""
    (high, more), (wide, others) = (
        divmod(count, size) for size, count in zip(source.size, result.size, strict=True)
    )
    if (more, others) != (0, 0) or not high * wide:
        return None
    rows, columns = np.arange(result.height)[:, None], np.arange(result.width)
    index = channel[:, :high, :wide]
    is_regular = (
        np.array_equal(channel, np.tile(index, (1, *source.size)))
        and np.array_equal(row, np.broadcast_to(rows // high, row.shape))
        and np.array_equal(column, np.broadcast_to(columns // wide, column.shape))
    )
    return blocks_to_pixels(layer, (high, wide), index.transpose(1, 2, 0)) if is_regular else None


def blocks_to_pixels(layer: Layer, block: tuple[int, int], index: Array) -> Layer:
    """DEPTH_TO_SPACE by the source's channels ``index[row of block][column of block][channel]``."""
    window = Window(stride=block)
    return replace(layer, code=Code.DEPTH_TO_SPACE, window=window, index=index.reshape(-1))


def _from_rows(
    layer: Layer, result: Image, channel: Array, row: Array, column: Array
) -> Layer | None:
    """RESIZE: rows and columns in any order, and the channels as they are."""
    channels = np.arange(result.channels)[:, None, None]
    is_regular = (
        result.channels == layer.channels
        and np.array_equal(channel, np.broadcast_to(channels, channel.shape))
        and np.array_equal(row, np.broadcast_to(row[:1, :, :1], row.shape))
        and np.array_equal(column, np.broadcast_to(column[:1, :1], column.shape))
    )
    if not is_regular:
        return None
    return replace(layer, code=Code.RESIZE, index=np.concatenate([row[0, :, 0], column[0, 0]]))
