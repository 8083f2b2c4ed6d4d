"""Depthwise convolutions and their gradients, by matrix products of pixels and their places.

Of all products of a gradient's pixel p and an image's pixel q, ``G[p, q] = sum over n of
dy[n, p] x[n, q]``, a place of the kernel is the sum of those that it joins: ``dw[i] = sum over p
of G[p, p stride - before + i dilation]``. A matrix of zeros and ones picks them. Times are the
least of 25 on one core with AVX-512 at batch 32, PyTorch's in brackets: 240 channels on 4×4 take
0.17 ms (0.25), 96 on 8×8 0.50 ms (0.43), 48 on 16×16 by rows 2.0 ms (0.77), 24 on 32×32 8.7 ms
(2.3); by convolutions in groups they take 2.6, 3.5, 8.8 and 16 ms.

On few pixels the convolution itself is a product by a matrix of the kernel's numbers, M (oH oW,
H W) for each channel: ``y = x M^T`` and ``dx = dy M``. 240 channels on 4×4 take 0.24 ms, as a Conv
1.8 ms (0.29), 96 on 8×8 0.62 and 1.4 ms (0.47).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.gradient.rules.windows.geometry import Convolution, Window
from edgecnn_runtime.arrays import Array

# More products of pixels than useful ones cost more than to copy the rows of the image.
MOST_PRODUCTS = 64 * 64


def has_few_pixels(convolution: Convolution) -> bool:
    """Whether it is a depthwise convolution whose products of all pixels are worth their cost."""
    if not convolution.is_depthwise or len(convolution.windows) != 2:
        return False
    return prod(each.image * each.output for each in convolution.windows) <= MOST_PRODUCTS


def depthwise_by_matrix(
    emit: Emitter, convolution: Convolution, image: ir.Value, weight: ir.Value
) -> ir.Value:
    """y (N, C, oH, oW) of a convolution on few pixels, from x (N, C, H, W)."""
    matrix = emit("Transpose", _matrix(emit, convolution, weight), perm=[0, 2, 1])
    high, wide = convolution.windows
    product = emit("MatMul", _by_channel(emit, image, convolution.inputs), matrix)
    together = emit("Transpose", product, perm=[1, 0, 2])
    return emit("Reshape", together, [-1, convolution.inputs, high.output, wide.output])


def depthwise_image_gradient(
    emit: Emitter, convolution: Convolution, gradient: ir.Value, weight: ir.Value
) -> ir.Value:
    """dx (N, C, H, W) of a convolution on few pixels, from dy (N, C, oH, oW)."""
    high, wide = convolution.windows
    changes = _by_channel(emit, gradient, convolution.inputs)
    product = emit("MatMul", changes, _matrix(emit, convolution, weight))
    together = emit("Transpose", product, perm=[1, 0, 2])
    return emit("Reshape", together, [-1, convolution.inputs, high.image, wide.image])


def _matrix(emit: Emitter, convolution: Convolution, weight: ir.Value) -> ir.Value:
    """M (C, oH oW, H W) of the kernel's numbers."""
    channels, (high, wide) = convolution.inputs, convolution.windows
    kernel = emit("Reshape", weight, [channels, high.kernel * wide.kernel])
    # Of the constant that the weight's gradient has too.
    places = emit("Transpose", joined(convolution.windows), perm=[1, 0])
    product = emit("MatMul", kernel, places)
    return emit("Reshape", product, [channels, high.output * wide.output, high.image * wide.image])


def _by_channel(emit: Emitter, image: ir.Value, channels: int) -> ir.Value:
    """(N, C, H, W) as (C, N, H W)."""
    return emit("Transpose", emit("Reshape", image, [0, channels, -1]), perm=[1, 0, 2])


def depthwise_weight_gradient(
    emit: Emitter, convolution: Convolution, image: ir.Value, gradient: ir.Value
) -> ir.Value:
    """dw (C, 1, kH, kW) from x (N, C, H, W) and dy (N, C, oH, oW)."""
    if has_few_pixels(convolution):
        return _by_pixels(emit, convolution, image, gradient)
    return _by_rows(emit, convolution, image, gradient)


def _by_pixels(
    emit: Emitter, convolution: Convolution, image: ir.Value, gradient: ir.Value
) -> ir.Value:
    """G of all pixels of an image, (C, oH oW, H W)."""
    channels, (high, wide) = convolution.inputs, convolution.windows
    outputs, pixels = high.output * wide.output, high.image * wide.image
    changes = emit("Transpose", _by_channel(emit, gradient, channels), perm=[0, 2, 1])
    products = emit("MatMul", changes, _by_channel(emit, image, channels))
    flat = emit("Reshape", products, [channels, outputs * pixels])
    weight = emit("MatMul", flat, joined((high, wide)))
    return emit("Reshape", weight, [channels, 1, high.kernel, wide.kernel])


def _by_rows(
    emit: Emitter, convolution: Convolution, image: ir.Value, gradient: ir.Value
) -> ir.Value:
    """G of the columns, (C, oW, W), summed over the rows too, for each row of the kernel."""
    channels, (high, wide) = convolution.inputs, convolution.windows
    rows = emit(
        "Reshape", emit("Transpose", gradient, perm=[1, 0, 2, 3]), [channels, -1, wide.output]
    )
    changes = emit("Transpose", rows, perm=[0, 2, 1])
    images = emit("Transpose", image, perm=[1, 0, 2, 3])
    if high.before or high.read_after:
        images = emit("Pad", images, [0, 0, high.before, 0, 0, 0, high.read_after, 0])
    of_rows = []
    for tap in range(high.kernel):
        first = tap * high.dilation
        last = first + (high.output - 1) * high.stride + 1
        read = emit("Slice", images, [first], [last], [2], [high.stride])
        product = emit("MatMul", changes, emit("Reshape", read, [channels, -1, wide.image]))
        of_rows.append(emit("Reshape", product, [channels, 1, wide.output * wide.image]))
    weight = emit("MatMul", emit("Concat", *of_rows, axis=1), joined((wide,)))
    return emit("Reshape", weight, [channels, 1, high.kernel, wide.kernel])


def joined(windows: Sequence[Window]) -> Array:
    """1 where a place of the kernel joins a pixel of the output and one of the image, else 0.

    Returns:
        float32 (outputs * pixels, kernel), each in the order of rows.
    """
    result = np.ones((1, 1, 1), np.float32)
    for window in windows:
        axis = np.zeros((window.output, window.image, window.kernel), np.float32)
        for output in range(window.output):
            for tap in range(window.kernel):
                if (pixel := window.pixel(output, tap)) is not None:
                    axis[output, pixel, tap] = 1
        result = np.einsum("pqi,uvj->puqvij", result, axis).reshape(
            result.shape[0] * axis.shape[0], result.shape[1] * axis.shape[1], -1
        )
    return result.reshape(-1, result.shape[-1])
