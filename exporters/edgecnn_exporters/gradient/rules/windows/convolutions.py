"""Gradients of Conv and ConvTranspose (Dumoulin and Visin 2016, "A guide to convolution
arithmetic for deep learning", chapters 2 and 4, has both and how they are each other's)."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.gradient.rule import Backward
from edgecnn_exporters.gradient.rules.windows.geometry import (
    Convolution,
    convolution_of,
    transposed_convolution_of,
)
from edgecnn_exporters.gradient.rules.windows.image_gradient import image_gradient
from edgecnn_exporters.gradient.rules.windows.weight_gradient import weight_gradient


def conv(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Conv, x (N, C, …), weight (O, C / g, …), bias (O,), y (N, O, …), g groups.

    ``y[n, o, p] = b[o] + sum over c, i of w[o, c, i] x[n, c, p stride - before + i dilation]``:
    dx is the transposed convolution of dy by w (`image_gradient`), ``dw[o, c, i] = sum over n, p of
    dy[n, o, p] x[n, c, p stride - before + i dilation]`` (`weight_gradient`), db the sum of dy over
    all but the channels.
    """
    convolution = convolution_of(back)
    return gradients(
        back.emit, convolution, back.input(0), back.input(1), back.gradient, back.wanted
    )


def gradients(
    emit: Emitter,
    convolution: Convolution,
    image: ir.Value,
    weight: ir.Value,
    gradient: ir.Value,
    wanted: frozenset[int],
) -> Mapping[int, ir.Value]:
    """Gradients of a convolution's image, weight and bias, by these indices, as `conv` says."""
    result: dict[int, ir.Value] = {}
    if 0 in wanted:
        result[0] = image_gradient(emit, convolution, gradient, weight)
    if 1 in wanted:
        result[1] = weight_gradient(emit, convolution, image, gradient)
    if 2 in wanted:
        axes = [0, *range(2, 2 + len(convolution.windows))]
        result[2] = emit("ReduceSum", gradient, axes, keepdims=0)
    return result


def conv_transpose(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of ConvTranspose, x (N, C, …), weight (C, O / g, …), bias (O,), y (N, O, …).

    y is the gradient of the image of a convolution from O to C channels by the same weight: dx is
    that convolution of dy, dw the gradient of its weight for the image dy and the gradient x.
    """
    convolution = transposed_convolution_of(back)
    result: dict[int, ir.Value] = {}
    if 0 in back.wanted:
        result[0] = _convolve(back, convolution)
    if 1 in back.wanted:
        result[1] = weight_gradient(back.emit, convolution, back.gradient, back.input(0))
    if 2 in back.wanted:
        axes = [0, *range(2, len(back.output_shape()))]
        result[2] = back.emit("ReduceSum", back.gradient, axes, keepdims=0)
    return result


def _convolve(back: Backward, convolution: Convolution) -> ir.Value:
    """The convolution itself, of dy by the weight."""
    windows = convolution.windows
    return back.emit(
        "Conv",
        back.gradient,
        back.input(1),
        kernel_shape=[window.kernel for window in windows],
        strides=[window.stride for window in windows],
        dilations=[window.dilation for window in windows],
        pads=[*(window.before for window in windows), *(window.after for window in windows)],
        group=convolution.groups,
    )
