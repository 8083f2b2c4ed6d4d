"""EfficientNet-Lite: EfficientNet for mobile processors, after the authors' published code.

Liu 2020, "Higher accuracy on vision models with EfficientNet-Lite" (TensorFlow blog): no
squeeze-excite, ReLU6 in place of SiLU, stem and head as wide as B0's whatever the width. The
structure is Tan and Le's (2019), table 1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from edgecnn.errors import CheckpointMismatch
from edgecnn.zoo.blocks import ConvBNActivation, Stem, StochasticDepth, round_channels
from edgecnn.zoo.efficientnet import (
    HEAD_EXPANSION,
    STEM_CHANNELS,
    STOCHASTIC_DEPTH,
    TABLE,
    Scaling,
    StageRow,
)

HEAD_CHANNELS = HEAD_EXPANSION * TABLE[-1].channels
PUBLISHED = {
    0: Scaling(1.0, 1.0, 224, 0.2),
    1: Scaling(1.0, 1.1, 240, 0.2),
    2: Scaling(1.1, 1.2, 260, 0.3),
    3: Scaling(1.2, 1.4, 280, 0.3),
    4: Scaling(1.4, 1.8, 300, 0.3),
}

_conv = partial(ConvBNActivation, epsilon=0.001, momentum=0.01)


class SameConvBN(nn.Sequential):
    """A strided ConvBNActivation that pads as TensorFlow's "SAME": the odd pixel right and below.

    The published weights were trained so; with symmetric padding Lite0 answers 14 of 20 photographs
    rightly in place of 18.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel_size: int, groups: int
    ) -> None:
        super().__init__(
            *_conv(in_channels, out_channels, kernel_size=kernel_size, stride=2, groups=groups)
        )
        convolution = self[0]
        assert isinstance(convolution, nn.Conv2d)
        convolution.padding = (0, 0)
        self.kernel_size = kernel_size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[-2:]
        top, bottom = _same(height, self.kernel_size)
        left, right = _same(width, self.kernel_size)
        x = nn.functional.pad(x, (left, right, top, bottom))
        for layer in self:
            x = layer(x)
        return x


class MBConv(nn.Module):
    """Expand → depthwise → project, by chance skipped in training; (N, C, H, W) in and out."""

    def __init__(
        self, in_channels: int, out_channels: int, row: StageRow, stride: int, p: float
    ) -> None:
        super().__init__()
        expanded = in_channels * row.expansion
        layers: list[nn.Module] = []
        if row.expansion != 1:
            layers.append(_conv(in_channels, expanded, kernel_size=1))
        depthwise = SameConvBN if stride == 2 else _conv
        layers += [
            depthwise(expanded, expanded, kernel_size=row.kernel, groups=expanded),
            _conv(expanded, out_channels, kernel_size=1, activation=None),
        ]
        self.block = nn.Sequential(*layers)
        self.is_residual = stride == 1 and in_channels == out_channels
        self.stochastic_depth = StochasticDepth(p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.block(x)
        return x + self.stochastic_depth(y) if self.is_residual else y


class EfficientNetLite(nn.Module):
    """(N, 3, H, W) → (N, classes) logits.

    Args:
        stem: "small" has no stride in the first two layers that have one: 32×32 ends as 4×4. Its
            head is scaled with the width.
    """

    def __init__(self, scaling: Scaling, *, classes: int, stem: Stem) -> None:
        super().__init__()
        is_small = stem == "small"
        channels = STEM_CHANNELS
        first = (
            _conv(3, channels, kernel_size=3)
            if is_small
            else SameConvBN(3, channels, kernel_size=3, groups=1)
        )
        features: list[nn.Module] = [first]
        inner = range(1, len(TABLE) - 1)
        # The first and the last stage keep their one block whatever the depth.
        repeats = [
            math.ceil(row.layers * scaling.depth) if index in inner else row.layers
            for index, row in enumerate(TABLE)
        ]
        built = 0
        for index, (row, count) in enumerate(zip(TABLE, repeats, strict=True)):
            out_channels = round_channels(row.channels * scaling.width)
            blocks: list[nn.Module] = []
            for repeat in range(count):
                stride = row.stride if repeat == 0 and not (is_small and index == 1) else 1
                p = STOCHASTIC_DEPTH * built / sum(repeats)
                blocks.append(MBConv(channels, out_channels, row, stride, p))
                channels = out_channels
                built += 1
            features.append(nn.Sequential(*blocks))
        last = HEAD_EXPANSION * channels if is_small else HEAD_CHANNELS
        features.append(_conv(channels, last, kernel_size=1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(scaling.dropout), nn.Linear(last, classes))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), 1).flatten(1)
        logits: torch.Tensor = self.classifier(x)
        return logits


def _same(size: int, kernel: int) -> tuple[int, int]:
    """Pixels before and after, so that stride 2 answers with half the pixels, rounded up."""
    total = max((math.ceil(size / 2) - 1) * 2 + kernel - size, 0)
    return total // 2, total - total // 2


def efficientnet_lite(
    number: int,
    *,
    classes: int = 1000,
    width: float = 1.0,
    depth: float = 1.0,
    stem: Stem = "imagenet",
) -> EfficientNetLite:
    """EfficientNet-Lite0 to Lite4; `width` and `depth` scale it further."""
    published = PUBLISHED[number]
    scaled = replace(published, width=published.width * width, depth=published.depth * depth)
    return EfficientNetLite(scaled, classes=classes, stem=stem)


def from_published(
    weights: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The published weights (``_conv_stem.weight``, ``_blocks.0.…``) under the keys of `own`.

    Both state dicts run through the network in the same order.

    Raises:
        CheckpointMismatch: they are not of the same length or shapes.
    """
    if not any(re.match(r"_blocks\.\d+\._depthwise_conv", key) for key in weights):
        return dict(weights)
    if [value.shape for value in weights.values()] != [value.shape for value in own.values()]:
        raise CheckpointMismatch(
            f"these published EfficientNet-Lite weights ({len(weights)} tensors) are not those of "
            f"this network ({len(own)} tensors): another number of the family, or other classes"
        )
    return dict(zip(own, weights.values(), strict=True))
