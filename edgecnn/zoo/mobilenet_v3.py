"""MobileNetV3 (Howard et al. 2019, "Searching for MobileNetV3", tables 1 and 2).

The state dict has torchvision's keys and shapes.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from edgecnn.zoo.blocks import (
    ConvBNActivation,
    SqueezeExcite,
    Stem,
    initialise_he,
    round_channels,
)

STEM_CHANNELS = 16


class BlockRow(NamedTuple):
    """One line of a table: kernel, expanded channels, output channels, squeeze-excite, stride."""

    kernel: int
    expanded: int
    channels: int
    has_squeeze: bool
    activation: type[nn.Module]
    stride: int


RE, HS = nn.ReLU, nn.Hardswish
# Table 1.
LARGE = (
    BlockRow(3, 16, 16, False, RE, 1),
    BlockRow(3, 64, 24, False, RE, 2),
    BlockRow(3, 72, 24, False, RE, 1),
    BlockRow(5, 72, 40, True, RE, 2),
    BlockRow(5, 120, 40, True, RE, 1),
    BlockRow(5, 120, 40, True, RE, 1),
    BlockRow(3, 240, 80, False, HS, 2),
    BlockRow(3, 200, 80, False, HS, 1),
    BlockRow(3, 184, 80, False, HS, 1),
    BlockRow(3, 184, 80, False, HS, 1),
    BlockRow(3, 480, 112, True, HS, 1),
    BlockRow(3, 672, 112, True, HS, 1),
    BlockRow(5, 672, 160, True, HS, 2),
    BlockRow(5, 960, 160, True, HS, 1),
    BlockRow(5, 960, 160, True, HS, 1),
)
# Table 2.
SMALL = (
    BlockRow(3, 16, 16, True, RE, 2),
    BlockRow(3, 72, 24, False, RE, 2),
    BlockRow(3, 88, 24, False, RE, 1),
    BlockRow(5, 96, 40, True, HS, 2),
    BlockRow(5, 240, 40, True, HS, 1),
    BlockRow(5, 240, 40, True, HS, 1),
    BlockRow(5, 120, 48, True, HS, 1),
    BlockRow(5, 144, 48, True, HS, 1),
    BlockRow(5, 288, 96, True, HS, 2),
    BlockRow(5, 576, 96, True, HS, 1),
    BlockRow(5, 576, 96, True, HS, 1),
)
LARGE_HEAD, SMALL_HEAD = 1280, 1024
EXPANSION_HEAD = 6

_conv = partial(ConvBNActivation, epsilon=0.001, momentum=0.01)


class InvertedResidual(nn.Module):
    """Expand → depthwise → squeeze-excite → project (figure 4); (N, C, H, W) in and out."""

    def __init__(self, in_channels: int, row: BlockRow, width: float, stride: int) -> None:
        super().__init__()
        expanded = round_channels(row.expanded * width)
        self.out_channels = round_channels(row.channels * width)
        layers: list[nn.Module] = []
        if expanded != in_channels:
            layers.append(_conv(in_channels, expanded, kernel_size=1, activation=row.activation))
        layers.append(
            _conv(
                expanded,
                expanded,
                kernel_size=row.kernel,
                stride=stride,
                groups=expanded,
                activation=row.activation,
            )
        )
        if row.has_squeeze:
            # Section 5.3: a quarter of the expansion.
            squeezed = round_channels(expanded // 4)
            layers.append(
                SqueezeExcite(expanded, squeezed, activation=nn.ReLU, gate=nn.Hardsigmoid)
            )
        layers.append(_conv(expanded, self.out_channels, kernel_size=1, activation=None))
        self.block = nn.Sequential(*layers)
        self.is_residual = stride == 1 and in_channels == self.out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.block(x)
        return x + y if self.is_residual else y


class MobileNetV3(nn.Module):
    """(N, 3, H, W) → (N, classes) logits.

    Args:
        head: channels of the layer before the last.
        stem: "small" has no stride in the first two layers that have one: 32×32 ends as 4×4.
    """

    def __init__(
        self,
        table: tuple[BlockRow, ...],
        head: int,
        *,
        classes: int,
        width: float,
        stem: Stem,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        is_small = stem == "small"
        channels = round_channels(STEM_CHANNELS * width)
        first = _conv(3, channels, kernel_size=3, stride=1 if is_small else 2, activation=HS)
        features: list[nn.Module] = [first]
        strided = next(row for row in table if row.stride == 2)
        for row in table:
            block = InvertedResidual(
                channels, row, width, 1 if is_small and row is strided else row.stride
            )
            features.append(block)
            channels = block.out_channels
        last = EXPANSION_HEAD * channels
        features.append(_conv(channels, last, kernel_size=1, activation=HS))
        self.features = nn.Sequential(*features)
        hidden = round_channels(head * width)
        self.classifier = nn.Sequential(
            nn.Linear(last, hidden), nn.Hardswish(), nn.Dropout(dropout), nn.Linear(hidden, classes)
        )
        initialise_he(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), 1).flatten(1)
        logits: torch.Tensor = self.classifier(x)
        return logits


def mobilenet_v3_large(
    classes: int = 1000, width: float = 1.0, stem: Stem = "imagenet"
) -> MobileNetV3:
    """MobileNetV3-Large with `width` times the channels."""
    return MobileNetV3(LARGE, LARGE_HEAD, classes=classes, width=width, stem=stem)


def mobilenet_v3_small(
    classes: int = 1000, width: float = 1.0, stem: Stem = "imagenet"
) -> MobileNetV3:
    """MobileNetV3-Small with `width` times the channels."""
    return MobileNetV3(SMALL, SMALL_HEAD, classes=classes, width=width, stem=stem)
