"""Constants of a plan in the order that kernels read them: weights, bias, multiplier, maps."""

from __future__ import annotations

import numpy as np

from edgecnn_exporters.targets.native.layers import Layer
from edgecnn_exporters.targets.native.records import ALIGNMENT, NOWHERE, Code
from edgecnn_runtime.arrays import Array

LANES = 16
QUAD = 4


def rounded_up(count: int, multiple: int) -> int:
    """The least multiple that is not below `count`."""
    return count + -count % multiple


def packed_weights(layer: Layer) -> Array | None:
    """The weights of a layer, or its map of channels, rows and columns; None where it has none.

    * CONVOLUTION: [output channel / 16][kernel_h][kernel_w][channels / 4][16][4]
    * DEPTHWISE: [channel / 16][kernel_h * kernel_w][16]
    * GROUPED: [output channel][kernel_h][kernel_w][channels of one group, rounded up to 4]
    """
    if layer.index is not None:
        return layer.index.astype("<u4")
    weights = layer.weights
    if weights is None:
        return None
    outputs, inputs, height, width = weights.shape
    if layer.code is Code.GROUPED:
        wide = _padded(weights, (outputs, rounded_up(inputs, QUAD), height, width))
        return np.ascontiguousarray(wide.transpose(0, 2, 3, 1))
    lanes = rounded_up(outputs, LANES)
    if layer.code is Code.DEPTHWISE:
        wide = _padded(weights[:, 0].reshape(outputs, -1), (lanes, height * width))
        blocks = wide.reshape(lanes // LANES, LANES, height * width)
        return np.ascontiguousarray(blocks.transpose(0, 2, 1))
    deep = rounded_up(inputs, QUAD)
    wide = _padded(weights, (lanes, deep, height, width))
    blocks = wide.reshape(lanes // LANES, LANES, deep // QUAD, QUAD, height, width)
    return np.ascontiguousarray(blocks.transpose(0, 4, 5, 2, 1, 3))


def _padded(array: Array, shape: tuple[int, ...]) -> Array:
    """The array with zeros behind it on every axis."""
    wide = np.zeros(shape, array.dtype)
    wide[tuple(slice(size) for size in array.shape)] = array
    return wide


def by_lanes(array: Array, dtype: str) -> Array:
    """One number for each output channel, rounded up to 16 of them with zeros."""
    return _padded(array, (rounded_up(len(array), LANES),)).astype(dtype)


class Data:
    """The data section: each content once, at a multiple of 64."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._known: dict[bytes, int] = {}

    def put(self, array: Array | None) -> int:
        """Offset of the array's bytes; `NOWHERE` where there is none."""
        if array is None:
            return NOWHERE
        content = np.ascontiguousarray(array).tobytes()
        if content not in self._known:
            self._content += bytes(-len(self._content) % ALIGNMENT)
            self._known[content] = len(self._content)
            self._content += content
        return self._known[content]

    def content(self) -> bytes:
        """All of it, up to a multiple of 64 bytes."""
        return bytes(self._content) + bytes(-len(self._content) % ALIGNMENT)
