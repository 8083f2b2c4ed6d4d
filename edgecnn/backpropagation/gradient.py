"""Gradient of one layer for one image: every tensor of the backward pass, by the formulas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from torch import nn

from edgecnn.backpropagation.convolution import (
    Convolution,
    Pair,
    bias_gradient,
    input_gradient,
    kernel_gradient,
)
from edgecnn.backpropagation.layers import Layer, Pooling, geometry_of, windows_of
from edgecnn.backpropagation.pooling import (
    Bool,
    adaptive_members,
    average_pool_gradient,
    largest,
    max_pool_gradient,
)
from edgecnn.backpropagation.record import LayerPass
from edgecnn_runtime.arrays import Float64, Int64


@dataclass(frozen=True)
class ConvolutionGradient:
    """Gradients of a convolution, and the channels that are drawn.

    Attributes:
        input: X, (C, H, W); input_gradient: dL/dX, of the same shape.
        kernels: F, (O, C/groups, kH, kW); kernel_gradient: dL/dF, of the same shape.
        output: Y, (O, h, w); output_gradient: dL/dY, of the same shape.
        bias_gradient: dL/db, (O,); None where there is no bias.
        input_channel, output_channel: c and o of the largest dL/dF.
    """

    convolution: Convolution
    input: Float64
    kernels: Float64
    output: Float64
    output_gradient: Float64
    input_gradient: Float64
    kernel_gradient: Float64
    bias_gradient: Float64 | None
    input_channel: int
    output_channel: int

    @property
    def depth(self) -> int:
        """Input channels of a group."""
        return int(self.kernels.shape[1])

    @property
    def kernel(self) -> Float64:
        """F_oc, (kH, kW)."""
        kernel: Float64 = self.kernels[self.output_channel, self.input_channel % self.depth]
        return kernel

    @property
    def one_kernel_gradient(self) -> Float64:
        """dL/dF_oc, (kH, kW)."""
        place = (self.output_channel, self.input_channel % self.depth)
        gradient: Float64 = self.kernel_gradient[place]
        return gradient


@dataclass(frozen=True)
class PoolingGradient:
    """Gradient of a pooling, and the channel that is drawn.

    Attributes:
        input: X, (C, H, W); input_gradient: dL/dX, of the same shape.
        output: Y, (C, h, w); output_gradient: dL/dY, of the same shape.
        rows: (h, H), columns: (w, W): which inputs each window holds.
        places: ``row · W + column`` of the largest of each window, (C, h, w); None of means.
        channel: of the largest Y · dL/dY.
    """

    input: Float64
    output: Float64
    output_gradient: Float64
    input_gradient: Float64
    rows: Bool
    columns: Bool
    places: Int64 | None
    channel: int


LayerGradient: TypeAlias = ConvolutionGradient | PoolingGradient


def differentiate(layer: Layer, name: str, run: LayerPass) -> LayerGradient:
    """All gradients of a layer from its input and dL/dY.

    Args:
        name: of the layer, for messages.

    Raises:
        LayerUnusable: a convolution that pads with anything but zeros.
    """
    if isinstance(layer, nn.Conv2d):
        return _differentiate_convolution(layer, name, run)
    return _differentiate_pooling(layer, run)


def _differentiate_convolution(layer: nn.Conv2d, name: str, run: LayerPass) -> ConvolutionGradient:
    convolution = geometry_of(layer, name)
    kernels: Float64 = layer.weight.detach().double().numpy()
    of_kernels = kernel_gradient(run.input, run.output_gradient, convolution)
    of_bias = None if layer.bias is None else bias_gradient(run.output_gradient)
    size = (run.input.shape[1], run.input.shape[2])
    norms = np.linalg.norm(of_kernels, axis=(2, 3))
    output, within = np.unravel_index(int(norms.argmax()), norms.shape)
    group = int(output) // (len(kernels) // convolution.groups)
    return ConvolutionGradient(
        convolution=convolution,
        input=run.input,
        kernels=kernels,
        output=run.output,
        output_gradient=run.output_gradient,
        input_gradient=input_gradient(run.output_gradient, kernels, convolution, size),
        kernel_gradient=of_kernels,
        bias_gradient=of_bias,
        input_channel=group * kernels.shape[1] + int(within),
        output_channel=int(output),
    )


def _differentiate_pooling(layer: Pooling, run: LayerPass) -> PoolingGradient:
    extents = (run.input.shape[1], run.input.shape[2])
    size = (run.output.shape[1], run.output.shape[2])
    places = None
    if isinstance(layer, nn.AdaptiveAvgPool2d):
        rows, columns = map(adaptive_members, extents, size)
    else:
        windows = windows_of(layer)
        rows, columns = (windows.members(axis, extents[axis], size[axis]) for axis in (0, 1))
    if isinstance(layer, nn.MaxPool2d):
        places = largest(run.input, windows_of(layer), size)
        gradient = max_pool_gradient(run.output_gradient, places, extents)
    else:
        shares = _shares(layer, (rows, columns), extents, size)
        gradient = average_pool_gradient(run.output_gradient, *shares)
    # Gradient alone would often choose a channel that is 0 throughout, after its ReLU.
    weight = run.output * run.output_gradient
    norms = np.linalg.norm(weight if weight.any() else run.output_gradient, axis=(1, 2))
    return PoolingGradient(
        run.input,
        run.output,
        run.output_gradient,
        gradient,
        rows,
        columns,
        places,
        int(norms.argmax()),
    )


def _shares(
    layer: nn.AvgPool2d | nn.AdaptiveAvgPool2d,
    members: tuple[Bool, Bool],
    extents: Pair,
    size: Pair,
) -> tuple[Float64, Float64]:
    """Share of each input in each mean, along rows and along columns."""
    if isinstance(layer, nn.AvgPool2d) and layer.divisor_override:
        return members[0] / layer.divisor_override, members[1] / 1
    if isinstance(layer, nn.AvgPool2d) and layer.count_include_pad:
        windows = windows_of(layer)
        counts = [windows.counts(axis, extents[axis], size[axis]) for axis in (0, 1)]
    else:
        counts = [each.sum(axis=1) for each in members]
    return members[0] / counts[0][:, None], members[1] / counts[1][:, None]
