"""Panels of a convolution's gradient: forward, with respect to the input, to the kernel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgecnn.backpropagation.convolution import (
    Convolution,
    Pair,
    convolve,
    full_convolution,
    pad,
    pad_fully,
    rotate_180,
    zeros_between,
)
from edgecnn.backpropagation.gradient import ConvolutionGradient
from edgecnn.report.plots.equation import STAR, Equation
from edgecnn.report.plots.heat_map import HeatMap
from edgecnn_runtime.arrays import Float64

# In matplotlib's mathematics.
OF_Y, OF_X, OF_F = (rf"\partial L/\partial {name}" for name in ("Y_o", "X_c", "F_{oc}"))


def convolution_equations(gradient: ConvolutionGradient) -> tuple[Equation, ...]:
    """The three equations of one input channel c and one output channel o."""
    return _forward(gradient), _with_respect_to_input(gradient), _to_kernel(gradient)


def _forward(gradient: ConvolutionGradient) -> Equation:
    c, o = gradient.input_channel, gradient.output_channel
    bias = "" if gradient.bias_gradient is None else "b_o + "
    heading = f"Forward, a cross-correlation: $Y_o = {bias}"
    output = gradient.output[o]
    factors = (_padded_input(gradient), _kernel(gradient, gradient.kernel, "$F_{oc}$"))
    if gradient.depth == 1:
        shown = HeatMap("$Y_o$", output, note=_stride(gradient))
        panels = (*factors, shown, "one input channel a group:\nnothing to add up")
        return Equation(rf"{heading}X_c \star F_{{oc}}$", panels, (STAR, "=", ""))
    alone = convolve(gradient.input[[c]], gradient.kernel[None, None], _alone(gradient))[0]
    part = HeatMap(r"$X_c \star F_{oc}$", alone, note=_stride(gradient))
    total = HeatMap("$Y_o$", output, note=f"over {gradient.depth} input channels")
    return Equation(
        rf"{heading}\sum_c\, X_c \star F_{{oc}}$",
        (*factors, part, total),
        (STAR, "=", r"$\sum_c$"),
    )


def _with_respect_to_input(gradient: ConvolutionGradient) -> Equation:
    c, o = gradient.input_channel, gradient.output_channel
    convolution = _alone(gradient)
    of_output, kernel = gradient.output_gradient[[o]], gradient.kernel[None, None]
    full = full_convolution(of_output, kernel, convolution)[0]
    above, _, left, _ = convolution.padding
    height, width = gradient.input.shape[1:]
    outputs = len(gradient.kernels) // gradient.convolution.groups
    crop = "in the frame: what $X_c$ gets"
    total = rf"{OF_Y} * F_{{oc}}" if outputs == 1 else rf"\sum_o\, {OF_Y} * F_{{oc}}"
    return Equation(
        "With respect to the input, full convolution: correlation with the kernel rotated by 180°: "
        rf"${OF_X} = {total}$",
        (
            HeatMap(
                f"${OF_Y}$",
                pad_fully(of_output, convolution)[0],
                ~(pad_fully(np.ones_like(of_output), convolution)[0] > 0),
                note=_backward_padding(gradient),
            ),
            _kernel(gradient, rotate_180(gradient.kernel), r"$\mathrm{rot}_{180}\, F_{oc}$"),
            HeatMap(
                f"${OF_Y} * F_{{oc}}$",
                full,
                frames=(_inside((above, left, height, width), full),) if above or left else (),
                note=crop if above or left else "",
            ),
            HeatMap(
                f"${OF_X}$",
                gradient.input_gradient[c],
                note="of one output channel" if outputs == 1 else f"over {outputs} output channels",
            ),
        ),
        (STAR, "=", "→" if outputs == 1 else r"$\sum_o$"),
    )


def _to_kernel(gradient: ConvolutionGradient) -> Equation:
    o = gradient.output_channel
    of_output = gradient.output_gradient[o]
    stride = gradient.convolution.stride
    added = zeros_between(np.ones_like(of_output), stride) == 0
    dilation = gradient.convolution.dilation
    steps = "" if dilation == (1, 1) else f"in steps of d = {_words(dilation)}"
    return Equation(
        "With respect to the kernel, correlation of the input with the output gradient: "
        rf"${OF_F} = X_c \star {OF_Y}$",
        (
            _padded_input(gradient),
            HeatMap(f"${OF_Y}$", zeros_between(of_output, stride), added, note=_between(stride)),
            HeatMap(f"${OF_F}$", gradient.one_kernel_gradient, note=steps),
            _bias(gradient),
        ),
        (STAR, "=", ""),
    )


def _bias(gradient: ConvolutionGradient) -> str:
    if gradient.bias_gradient is None:
        return "no bias in this layer"
    value = gradient.bias_gradient[gradient.output_channel]
    number = f"{value:.3g}".replace("-", "−")
    return rf"Bias: ${OF_Y.replace('Y_o', 'b_o')} = \sum\, {OF_Y}$" + f"\n= {number}"


def _padded_input(gradient: ConvolutionGradient) -> HeatMap:
    values = gradient.input[gradient.input_channel]
    padding = gradient.convolution.padding
    added = pad(np.ones_like(values), padding) == 0
    note = f"padded by p = {_words(padding)}" if any(padding) else "no padding"
    if unread := _unread(gradient):
        note += f"\nthe stride leaves the last {unread} unread"
    return HeatMap("$X_c$", pad(values, padding), added, note=note)


def _unread(gradient: ConvolutionGradient) -> str:
    """Rows and columns at the end that the stride leaves over; nothing where there are none."""
    convolution = gradient.convolution
    above, below, left, right = convolution.padding
    unread = tuple(
        extent + padding - stride * (outputs - 1) - reach - 1
        for extent, padding, stride, outputs, reach in zip(
            gradient.input.shape[1:],
            (above + below, left + right),
            convolution.stride,
            gradient.output.shape[1:],
            convolution.reach,
            strict=True,
        )
    )
    return _words(unread) if any(unread) else ""


def _kernel(gradient: ConvolutionGradient, kernel: Float64, title: str) -> HeatMap:
    dilation = gradient.convolution.dilation
    added = zeros_between(np.ones_like(kernel), dilation) == 0
    note = "" if dilation == (1, 1) else f"dilation d = {_words(dilation)}"
    return HeatMap(title, zeros_between(kernel, dilation), added, note=note)


def _alone(gradient: ConvolutionGradient) -> Convolution:
    """The geometry of one input and one output channel."""
    return replace(gradient.convolution, groups=1)


def _inside(frame: tuple[int, int, int, int], full: Float64) -> tuple[int, int, int, int]:
    """The frame as far as the panel goes: a stride may leave the input's last rows unread."""
    row, column, height, width = frame
    rows, columns = full.shape
    return row, column, min(height, rows - row), min(width, columns - column)


def _backward_padding(gradient: ConvolutionGradient) -> str:
    is_dilated = gradient.convolution.dilation != (1, 1)
    formula = "d(k−1)" if is_dilated else "k−1"
    padded = f"padded by {formula} = {_words(gradient.convolution.reach)}"
    return "\n".join(filter(None, (padded, _between(gradient.convolution.stride))))


def _between(stride: Pair) -> str:
    return "" if stride == (1, 1) else f"s−1 = {_words(tuple(s - 1 for s in stride))} zeros between"


def _stride(gradient: ConvolutionGradient) -> str:
    stride = gradient.convolution.stride
    return "" if stride == (1, 1) else f"stride s = {_words(stride)}"


def _words(values: tuple[int, ...]) -> str:
    return str(values[0]) if len(set(values)) == 1 else "×".join(map(str, values))
