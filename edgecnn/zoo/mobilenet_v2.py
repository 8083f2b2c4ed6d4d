"""MobileNetV2 (Sandler et al. 2018, "Inverted Residuals and Linear Bottlenecks").

The state dict has torchvision's keys and shapes, so that every checkpoint published for it loads.
"""

from __future__ import annotations

import torch
from torch import nn

from edgecnn.zoo.blocks import ConvBNActivation, Stem, initialise_he, round_channels

# Table 2: expansion t, output channels c, repeats n, stride s of the first repeat.
TABLE = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280


class InvertedResidual(nn.Module):
    """Expand 1×1 → depthwise 3×3 → project 1×1 without activation. Section 3.3, table 1."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(ConvBNActivation(in_channels, hidden, kernel_size=1))
        layers += [
            ConvBNActivation(hidden, hidden, kernel_size=3, stride=stride, groups=hidden),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        ]
        self.conv = nn.Sequential(*layers)
        self.is_residual = stride == 1 and in_channels == out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(x)
        return x + y if self.is_residual else y


class MobileNetV2(nn.Module):
    """(N, 3, H, W) → (N, classes) logits; H and W multiples of 32 lose nothing.

    Args:
        stem: "small" has no stride in the first two layers that have one: 32×32 ends as 4×4.
    """

    def __init__(
        self,
        width: float = 1.0,
        classes: int = 1000,
        stem: Stem = "imagenet",
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        is_small = stem == "small"
        channels = round_channels(STEM_CHANNELS * width)
        first = ConvBNActivation(3, channels, kernel_size=3, stride=1 if is_small else 2)
        features: list[nn.Module] = [first]
        for index, (expansion, base, repeats, table_stride) in enumerate(TABLE):
            out_channels = round_channels(base * width)
            first_stride = 1 if is_small and index == 1 else table_stride
            for repeat in range(repeats):
                stride = first_stride if repeat == 0 else 1
                features.append(InvertedResidual(channels, out_channels, stride, expansion))
                channels = out_channels
        # Section 3.4: multipliers below 1 leave the last convolution as wide as it is.
        last = round_channels(HEAD_CHANNELS * max(1.0, width))
        features.append(ConvBNActivation(channels, last, kernel_size=1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, classes))
        initialise_he(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)
        x = nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)
        logits: torch.Tensor = self.classifier(x)
        return logits


def mobilenet_v2(classes: int = 1000, width: float = 1.0, stem: Stem = "imagenet") -> MobileNetV2:
    """MobileNetV2 with `width` times the channels."""
    return MobileNetV2(width, classes, stem)
