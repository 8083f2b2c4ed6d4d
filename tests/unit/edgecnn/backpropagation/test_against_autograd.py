"""Gradients of convolutions and poolings by their formulas, against PyTorch's autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgecnn.backpropagation.convolution import (
    Convolution,
    convolve,
    correlate,
    full_convolution,
    input_gradient,
    pad,
    rotate_180,
    zeros_between,
)
from edgecnn.backpropagation.gradient import (
    ConvolutionGradient,
    PoolingGradient,
    differentiate,
)
from edgecnn.backpropagation.layers import Layer, geometry_of
from edgecnn.backpropagation.record import ClassLoss, LayerPass

CONVOLUTIONS: dict[str, dict[str, Any]] = {
    "plain": {"kernel_size": 3},
    "one by one": {"kernel_size": 1},
    "same": {"kernel_size": 3, "padding": 1},
    "more padding than kernel": {"kernel_size": 2, "padding": 3},
    "stride that leaves rows over": {"kernel_size": 3, "stride": 3, "padding": 1},
    "stride beyond the kernel": {"kernel_size": 1, "stride": 2},
    "dilation": {"kernel_size": 3, "dilation": 2, "padding": 1},
    "all at once, two axes apart": {
        "kernel_size": (3, 2),
        "stride": (2, 3),
        "padding": (2, 1),
        "dilation": (1, 2),
        "groups": 2,
    },
    "depthwise": {"kernel_size": 3, "padding": 1, "stride": 2, "groups": 4},
    "same, of an even kernel": {"kernel_size": (2, 4), "padding": "same"},
    "no bias": {"kernel_size": 3, "bias": False},
}
POOLINGS: dict[str, nn.Module] = {
    "max": nn.MaxPool2d(2),
    "max, overlapping and padded": nn.MaxPool2d(3, 2, 1),
    "max, ceil": nn.MaxPool2d(3, 2, ceil_mode=True),
    "max, dilated": nn.MaxPool2d((2, 3), (3, 1), dilation=2),
    "average": nn.AvgPool2d(2),
    "average, padding counts": nn.AvgPool2d(3, 2, 1),
    "average, padding counts, ceil": nn.AvgPool2d(3, 2, 1, ceil_mode=True),
    "average, padding does not count": nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "average, its own divisor": nn.AvgPool2d(2, divisor_override=3),
    "adaptive": nn.AdaptiveAvgPool2d((3, 4)),
    "adaptive, to more": nn.AdaptiveAvgPool2d(9),
    "global": nn.AdaptiveAvgPool2d(1),
}


def random(*shape: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(seed).standard_normal(shape)


def passed(layer: Layer, values: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[LayerPass, Any]:
    """The layer's pass with a gradient of chance, and autograd's dL/dX."""
    layer.double()
    given = torch.from_numpy(values)[None].requires_grad_()
    output = layer(given)
    gradient = torch.from_numpy(random(*output.shape, seed=1))
    output.backward(gradient)
    assert given.grad is not None
    arrays = (values, output[0].detach().numpy(), gradient[0].numpy())
    return LayerPass(*arrays, ClassLoss(0, 0.5, 0.7)), given.grad[0].numpy()


# PyTorch pads a copy where the two sides differ.
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("options", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_a_convolution_has_the_gradients_of_autograd(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 8, **options)
    run, expected = passed(layer, random(4, 9, 10))
    gradient = differentiate(layer, "layer", run)
    assert isinstance(gradient, ConvolutionGradient)
    np.testing.assert_allclose(gradient.input_gradient, expected, atol=1e-12)
    assert layer.weight.grad is not None
    of_kernels = layer.weight.grad.numpy()
    np.testing.assert_allclose(gradient.kernel_gradient, of_kernels, atol=1e-12)
    if layer.bias is None:
        assert gradient.bias_gradient is None
    else:
        assert layer.bias.grad is not None
        np.testing.assert_allclose(gradient.bias_gradient, layer.bias.grad.numpy(), atol=1e-12)
    # The channels that are drawn are of one group, and of the largest gradient.
    per_group = 8 // layer.groups, 4 // layer.groups
    c, o = gradient.input_channel, gradient.output_channel
    assert o // per_group[0] == c // per_group[1]
    norms = np.linalg.norm(of_kernels, axis=(2, 3))
    assert np.linalg.norm(gradient.one_kernel_gradient) == pytest.approx(norms.max())
    assert (gradient.kernel == layer.weight.detach().numpy()[o, c % per_group[1]]).all()
    bias = 0 if layer.bias is None else layer.bias.detach().numpy()[:, None, None]
    forward = convolve(run.input, gradient.kernels, gradient.convolution) + bias
    np.testing.assert_allclose(forward, run.output, atol=1e-12)


def test_a_network_of_one_channel_needs_nothing_but_the_two_formulas() -> None:
    """Flipped kernel over the padded gradient; the input under the gradient, s apart."""
    layer = nn.Conv2d(1, 1, 3, stride=2, padding=1, bias=False)
    run, expected = passed(layer, random(1, 7, 7))
    kernel = layer.weight.detach().numpy()
    spread = zeros_between(run.output_gradient, (2, 2))
    assert spread.shape == (1, 7, 7)
    full = correlate(pad(spread, (2, 2, 2, 2)), rotate_180(kernel))
    np.testing.assert_allclose(full[:, 1:-1, 1:-1], expected, atol=1e-12)
    padded = pad(run.input, (1, 1, 1, 1))
    assert layer.weight.grad is not None
    of_kernel = correlate(padded, run.output_gradient[:, None], dilation=(2, 2))
    np.testing.assert_allclose(of_kernel[None], layer.weight.grad.numpy(), atol=1e-12)


@pytest.mark.parametrize("padding", range(4))
def test_the_backward_padding_is_d_times_k_minus_one_less_p(padding: int) -> None:
    convolution = Convolution((3, 3), padding=(padding,) * 4, dilation=(2, 2))
    size, gradient = 9, random(1, 9 + 2 * padding - 4, 9 + 2 * padding - 4)
    kernel = random(1, 1, 3, 3, seed=2)
    less = 2 * (3 - 1) - padding
    direct = correlate(pad(gradient, (less,) * 4), rotate_180(kernel), dilation=(2, 2))
    assert direct.shape == (1, size, size)
    expected = input_gradient(gradient, kernel, convolution, (size, size))
    np.testing.assert_allclose(direct, expected, atol=1e-12)
    assert full_convolution(gradient, kernel, convolution).shape[1] == size + 2 * padding


@pytest.mark.parametrize("layer", POOLINGS.values(), ids=POOLINGS)
def test_a_pooling_has_the_gradient_of_autograd(layer: Layer) -> None:
    run, expected = passed(layer, random(3, 7, 8))
    gradient = differentiate(layer, "layer", run)
    assert isinstance(gradient, PoolingGradient)
    np.testing.assert_allclose(gradient.input_gradient, expected, atol=1e-12)
    norms = np.linalg.norm(run.output * run.output_gradient, axis=(1, 2))
    assert gradient.channel == norms.argmax()


def test_of_equals_the_first_takes_the_gradient_of_a_max_pooling() -> None:
    # After a ReLU most windows hold zeros alone.
    values = np.maximum(random(2, 6, 6), 0) * (np.arange(6) > 2)
    run, expected = passed(nn.MaxPool2d(3, 2), values)
    gradient = differentiate(nn.MaxPool2d(3, 2), "layer", run)
    assert np.array_equal(gradient.input_gradient, expected)
    assert gradient.input_gradient[0, 0, 0] == run.output_gradient[0, 0, 0]


def test_padding_of_another_mode_than_zeros_is_refused() -> None:
    from edgecnn.errors import LayerUnusable

    with pytest.raises(LayerUnusable, match="pads with mode 'reflect', expected 'zeros'"):
        geometry_of(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), "layer")
