"""EfficientNet (Tan and Le 2019, "EfficientNet: Rethinking Model Scaling …").

The state dict has torchvision's keys and shapes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from edgecnn.zoo.blocks import (
    ConvBNActivation,
    SqueezeExcite,
    Stem,
    StochasticDepth,
    round_channels,
)

# Section 3.3: depth α^φ, width β^φ, resolution γ^φ, with α β² γ² ≈ 2.
ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15


class StageRow(NamedTuple):
    """One stage of table 1: MBConv's expansion, kernel, stride, output channels and layers."""

    expansion: int
    kernel: int
    stride: int
    channels: int
    layers: int


# Table 1, stages 2 to 8.
TABLE = (
    StageRow(1, 3, 1, 16, 1),
    StageRow(6, 3, 2, 24, 2),
    StageRow(6, 5, 2, 40, 2),
    StageRow(6, 3, 2, 80, 3),
    StageRow(6, 5, 1, 112, 3),
    StageRow(6, 5, 2, 192, 4),
    StageRow(6, 3, 1, 320, 1),
)
STEM_CHANNELS = 32
# The head is four times the last stage: 1280 at width 1.
HEAD_EXPANSION = 4
STOCHASTIC_DEPTH = 0.2


@dataclass(frozen=True)
class Scaling:
    """Scaling of a member of the family from B0: width, depth and resolution.

    Attributes:
        dropout: before the last layer; section 5.2 raises it from 0.2 for B0 to 0.5 for B7.
        epsilon, momentum: of BatchNorm, as torchvision's weights want them.
    """

    width: float
    depth: float
    resolution: int
    dropout: float
    epsilon: float = 1e-5
    momentum: float = 0.1


# The authors' code rounds what φ = 0, 0.5, 1, 2 … 6 gives.
PUBLISHED = {
    0: Scaling(1.0, 1.0, 224, 0.2),
    1: Scaling(1.0, 1.1, 240, 0.2),
    2: Scaling(1.1, 1.2, 260, 0.3),
    3: Scaling(1.2, 1.4, 300, 0.3),
    4: Scaling(1.4, 1.8, 380, 0.4),
    5: Scaling(1.6, 2.2, 456, 0.4, 0.001, 0.01),
    6: Scaling(1.8, 2.6, 528, 0.5, 0.001, 0.01),
    7: Scaling(2.0, 3.1, 600, 0.5, 0.001, 0.01),
}


def compound_scaling(phi: float) -> Scaling:
    """The scaling for any φ, the negative ones that make it smaller than B0 included.

    The resolution is a multiple of 8 pixels, the dropout follows the published ones.
    """
    return Scaling(
        width=BETA**phi,
        depth=ALPHA**phi,
        resolution=max(8, 8 * round(224 * GAMMA**phi / 8)),
        dropout=min(0.5, 0.2 + 0.05 * max(0.0, phi)),
    )


class MBConv(nn.Module):
    """Expand → depthwise → squeeze-excite → project, by chance skipped; (N, C, H, W) in and out."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        row: StageRow,
        stride: int,
        scaling: Scaling,
        p: float,
    ) -> None:
        super().__init__()
        conv = partial(ConvBNActivation, epsilon=scaling.epsilon, momentum=scaling.momentum)
        expanded = round_channels(in_channels * row.expansion)
        layers: list[nn.Module] = []
        if expanded != in_channels:
            layers.append(conv(in_channels, expanded, kernel_size=1, activation=nn.SiLU))
        layers += [
            conv(
                expanded,
                expanded,
                kernel_size=row.kernel,
                stride=stride,
                groups=expanded,
                activation=nn.SiLU,
            ),
            # The ratio 0.25 is of the block's input, not of its expansion.
            SqueezeExcite(expanded, max(1, in_channels // 4), activation=nn.SiLU, gate=nn.Sigmoid),
            conv(expanded, out_channels, kernel_size=1, activation=None),
        ]
        self.block = nn.Sequential(*layers)
        self.is_residual = stride == 1 and in_channels == out_channels
        self.stochastic_depth = StochasticDepth(p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.block(x)
        return x + self.stochastic_depth(y) if self.is_residual else y


class EfficientNet(nn.Module):
    """(N, 3, H, W) → (N, classes) logits.

    Args:
        stem: "small" has no stride in the first two layers that have one: 32×32 ends as 4×4.
    """

    def __init__(self, scaling: Scaling, *, classes: int, stem: Stem) -> None:
        super().__init__()
        is_small = stem == "small"
        conv = partial(
            ConvBNActivation,
            epsilon=scaling.epsilon,
            momentum=scaling.momentum,
            activation=nn.SiLU,
        )
        channels = round_channels(STEM_CHANNELS * scaling.width)
        features: list[nn.Module] = [conv(3, channels, kernel_size=3, stride=1 if is_small else 2)]
        repeats = [math.ceil(row.layers * scaling.depth) for row in TABLE]
        built = 0
        for index, (row, count) in enumerate(zip(TABLE, repeats, strict=True)):
            out_channels = round_channels(row.channels * scaling.width)
            blocks: list[nn.Module] = []
            for repeat in range(count):
                stride = row.stride if repeat == 0 and not (is_small and index == 1) else 1
                # The deeper the block, the likelier it is skipped.
                p = STOCHASTIC_DEPTH * built / sum(repeats)
                blocks.append(MBConv(channels, out_channels, row, stride, scaling, p))
                channels = out_channels
                built += 1
            features.append(nn.Sequential(*blocks))
        last = HEAD_EXPANSION * channels
        features.append(conv(channels, last, kernel_size=1))
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(scaling.dropout), nn.Linear(last, classes))
        _initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


def _initialise(network: EfficientNet) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Linear):
            bound = 1 / math.sqrt(layer.out_features)
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.zeros_(layer.bias)


def efficientnet(
    scaling: Scaling,
    *,
    classes: int = 1000,
    width: float = 1.0,
    depth: float = 1.0,
    stem: Stem = "imagenet",
) -> EfficientNet:
    """A member of the family; `width` and `depth` scale it further."""
    scaled = replace(scaling, width=scaling.width * width, depth=scaling.depth * depth)
    return EfficientNet(scaled, classes=classes, stem=stem)


def efficientnet_b(
    number: int,
    *,
    classes: int = 1000,
    width: float = 1.0,
    depth: float = 1.0,
    stem: Stem = "imagenet",
) -> EfficientNet:
    """EfficientNet-B0 to B7."""
    return efficientnet(PUBLISHED[number], classes=classes, width=width, depth=depth, stem=stem)


def efficientnet_phi(
    phi: float = 0.0, *, classes: int = 1000, stem: Stem = "imagenet"
) -> EfficientNet:
    """The member of the family at any compound coefficient φ."""
    return efficientnet(compound_scaling(phi), classes=classes, stem=stem)
