"""Gradients of AveragePool and GlobalAveragePool: equal shares to the pixels of each window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.gradient.rule import Backward
from edgecnn_exporters.gradient.rules.moves import shape_operand
from edgecnn_exporters.gradient.rules.windows.geometry import Window, windows_of
from edgecnn_exporters.passes.graph import is_set
from edgecnn_runtime.arrays import Array


def global_average_pool(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of GlobalAveragePool: ``dx[n, c, h, w] = dy[n, c] / (H W)``, equal shares."""
    size = back.shape()[2:]
    if None in size:
        raise back.refused(f"the size of {back.input(0).name} is not fixed")
    count = prod(extent for extent in size if extent is not None)
    share = back.emit("Mul", back.gradient, np.array(1 / count, np.float32))
    return {0: back.emit("Expand", share, [1, 1, *(extent or 1 for extent in size)])}


def average_pool(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of AveragePool: each pixel gets ``dy / pixels`` of every window that it is in.

    The pixels of a window are those of its kernel, or without count_include_pad those in the image.
    Windows side by side repeat dy; otherwise it is a ConvTranspose by a kernel of ones, of every
    channel as an image of its own, (N C, 1, …).
    """
    windows = windows_of(back)
    shares = back.emit("Mul", back.gradient, _shares(back, windows))
    if all(_are_side_by_side(window) for window in windows):
        return {0: _repeated(back, shares, windows)}
    outputs = [window.output for window in windows]
    images = back.emit("Reshape", shares, [-1, 1, *outputs])
    spread = back.emit(
        "ConvTranspose",
        images,
        np.ones((1, 1, *(window.kernel for window in windows)), np.float32),
        strides=[window.stride for window in windows],
        dilations=[window.dilation for window in windows],
        pads=[*(window.before for window in windows), *(window.after for window in windows)],
        output_padding=[window.left for window in windows],
    )
    return {0: back.emit("Reshape", spread, shape_operand(back, 0))}


def _shares(back: Backward, windows: Sequence[Window]) -> Array:
    """1 / pixels of each window, (outputs…), or one number where all are equal."""
    if is_set(back.node, "count_include_pad"):
        return np.array(1 / prod(window.kernel for window in windows), np.float32)
    counts = np.ones((), np.int64)
    for window in windows:
        counts = np.multiply.outer(counts, _inside(window))
    if (counts == counts.flat[0]).all():
        return np.array(1 / counts.flat[0], np.float32)
    return (1 / counts).astype(np.float32)


def _inside(window: Window) -> Array:
    """Pixels of the image in each window, (outputs,)."""
    starts = np.arange(window.output) * window.stride - window.before
    places = starts[:, None] + np.arange(window.kernel) * window.dilation
    inside: Array = ((places >= 0) & (places < window.image)).sum(1)
    return inside


def _are_side_by_side(window: Window) -> bool:
    is_plain = window.stride == window.kernel and window.dilation == 1
    return is_plain and window.before == window.after == 0


def _repeated(back: Backward, shares: ir.Value, windows: Sequence[Window]) -> ir.Value:
    """Each output at every pixel of its window; zero behind the last."""
    apart = [extent for window in windows for extent in (window.output, 1)]
    kernels = [extent for window in windows for extent in (1, window.kernel)]
    channels = back.shape()[1]
    if channels is None:
        raise back.refused("its number of channels is not fixed")
    ones = back.emit("Reshape", shares, [-1, channels, *apart])
    repeated = back.emit("Expand", ones, [1, 1, *kernels])
    sizes = [window.output * window.kernel for window in windows]
    together = back.emit("Reshape", repeated, [-1, channels, *sizes])
    if not any(window.left for window in windows):
        return together
    ends = [window.left for window in windows]
    return back.emit("Pad", together, [*[0] * (4 + len(ends)), *ends])
