"""Building blocks shared by the zoo's networks: Conv-BN-activation, squeeze-excite, …"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import nn

from edgecnn.errors import ModelUnusable

Stem = Literal["imagenet", "small"]
"""How a network begins: for photographs of about 224×224, or for images of about 32×32."""


def round_channels(channels: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `channels`, never more than 10 % below it.

    The rule of the MobileNet authors' reference code, as torchvision has it.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def scale_channels(channels: int, width: float) -> int:
    """`width` times the channels, rounded to the nearest whole number.

    Raises:
        ModelUnusable: nothing is left.
    """
    scaled = round(channels * width)
    if scaled < 1:
        raise ModelUnusable(
            f"width {width:g} leaves none of {channels} channels; "
            f"the least that leaves one is about {0.51 / channels:.3f}"
        )
    return scaled


def scale_repeats(repeats: int, depth: float) -> int:
    """`depth` times the blocks of a stage, at least one."""
    return max(1, round(repeats * depth))


class ConvBNActivation(nn.Sequential):
    """Conv → BatchNorm → activation, "same" padding for odd kernels; (N, C, H, W) in and out."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int,
        stride: int = 1,
        groups: int = 1,
        activation: Callable[[], nn.Module] | None = nn.ReLU6,
        epsilon: float = 1e-5,
        momentum: float = 0.1,
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel_size,
                stride,
                padding=(kernel_size - 1) // 2,
                groups=groups,
                bias=False,
            ),
            nn.BatchNorm2d(out_channels, eps=epsilon, momentum=momentum),
        ]
        if activation is not None:
            layers.append(activation())
        super().__init__(*layers)


class SqueezeExcite(nn.Module):
    """Scale every channel by a gate that sees the whole image; (N, C, H, W) in and out.

    Hu et al. 2018, "Squeeze-and-Excitation Networks", section 3.
    """

    def __init__(
        self,
        channels: int,
        squeezed: int,
        *,
        activation: Callable[[], nn.Module],
        gate: Callable[[], nn.Module],
    ) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.activation = activation()
        self.gate = gate()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        squeezed = nn.functional.adaptive_avg_pool2d(x, 1)
        weight: torch.Tensor = self.gate(self.fc2(self.activation(self.fc1(squeezed))))
        return x * weight


class StochasticDepth(nn.Module):
    """In training, drop a residual branch for some samples of the batch, and scale the others.

    Huang et al. 2016, "Deep Networks with Stochastic Depth", section 3. In evaluation the branch
    passes unchanged.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, branch: torch.Tensor) -> torch.Tensor:
        if not self.training or self.probability == 0:
            return branch
        survival = 1 - self.probability
        alive = branch.new_empty(len(branch), 1, 1, 1).bernoulli_(survival)
        return branch * (alive / survival)


def initialise_he(module: nn.Module) -> None:
    """Draw the weights of a network of ReLUs by He et al. 2015, section 2.2, over the fan-out."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
