"""Gradient of a convolution with respect to its image: the transposed convolution."""

from __future__ import annotations

from math import prod

import onnx_ir as ir

from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.gradient.rules.windows.depthwise import (
    depthwise_image_gradient,
    has_few_pixels,
)
from edgecnn_exporters.gradient.rules.windows.geometry import Convolution


def image_gradient(
    emit: Emitter, convolution: Convolution, gradient: ir.Value, weight: ir.Value
) -> ir.Value:
    """dx (N, C, …) of a convolution, from dy (N, O, …) and the weight (O, C / g, …).

    It is a ConvTranspose by the weight as it is. With stride 1 it is also a convolution of dy,
    padded by ``dilation (kernel - 1) - pad``, by the weight rotated by 180 degrees with its
    channels exchanged: (C, O / g, …). ONNX Runtime divides the second among threads once, the
    first for each image (`learnt_convolutions` has times), but copies windows of dy for every pixel
    of x: 1.35 ms where the first takes 0.29, for 6 channels on 14×14 from 16 on 10×10 (5×5, batch
    32, least of 10 on one core with AVX-512). Depthwise ones on few pixels are products by a matrix
    (`depthwise`).
    """
    if has_few_pixels(convolution):
        return depthwise_image_gradient(emit, convolution, gradient, weight)
    windows = convolution.windows
    pads = [
        *(window.reach - 1 - window.before for window in windows),
        *(window.reach - 1 - window.after for window in windows),
    ]
    is_plain = all(window.stride == 1 for window in windows) and min(pads) >= 0
    if is_plain and not _copies_much(convolution):
        return emit(
            "Conv",
            gradient,
            rotated(emit, convolution, weight),
            kernel_shape=[window.kernel for window in windows],
            dilations=[window.dilation for window in windows],
            pads=pads,
            group=convolution.groups,
        )
    return emit(
        "ConvTranspose",
        gradient,
        weight,
        kernel_shape=[window.kernel for window in windows],
        strides=[window.stride for window in windows],
        dilations=[window.dilation for window in windows],
        pads=[*(window.before for window in windows), *(window.after for window in windows)],
        output_padding=[window.left for window in windows],
        group=convolution.groups,
    )


def _copies_much(convolution: Convolution) -> bool:
    """Whether a Conv copies more than twice the pixels that a ConvTranspose adds up."""
    if convolution.is_pointwise:
        return False
    copied = convolution.outputs * prod(window.image for window in convolution.windows)
    added = convolution.inputs * prod(window.output for window in convolution.windows)
    return copied > 2 * added


def rotated(emit: Emitter, convolution: Convolution, weight: ir.Value) -> ir.Value:
    """The weight (O, C / g, …) as (C, O / g, …), every kernel rotated by 180 degrees."""
    kernel = [window.kernel for window in convolution.windows]
    groups, inputs, outputs = convolution.groups, convolution.inputs, convolution.outputs
    axes = [axis for axis, size in enumerate(kernel, 2) if size > 1]
    if axes:
        ends, steps = [-(2**31)] * len(axes), [-1] * len(axes)
        weight = emit("Slice", weight, [-1] * len(axes), ends, axes, steps)
    if groups == 1:
        return emit("Transpose", weight, perm=[1, 0, *range(2, 2 + len(kernel))])
    if groups == inputs == outputs:
        return weight
    apart = emit("Reshape", weight, [groups, outputs // groups, inputs // groups, *kernel])
    turned = emit("Transpose", apart, perm=[0, 2, 1, *range(3, 3 + len(kernel))])
    return emit("Reshape", turned, [inputs, outputs // groups, *kernel])
