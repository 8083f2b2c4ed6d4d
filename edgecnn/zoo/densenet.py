"""DenseNet (Huang et al. 2017, "Densely Connected Convolutional Networks").

The networks of table 1 have torchvision's keys and shapes; those of section 4.2, for CIFAR-10, have
the same keys with three blocks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn

from edgecnn.zoo.blocks import Stem, scale_channels, scale_repeats


@dataclass(frozen=True)
class TableColumn:
    """One column of a table.

    Attributes:
        layers: dense layers in each block.
        growth: k, the channels that each of them adds.
        first: channels that the stem makes.
        is_bottleneck: 1×1 to 4k channels before each 3×3 (DenseNet-B).
        compression: θ, the share of channels that a transition passes on (DenseNet-C).
    """

    layers: tuple[int, ...]
    growth: int
    first: int
    is_bottleneck: bool = True
    compression: float = 0.5


# Table 1. 161 is 48 wide, as the authors publish it.
IMAGENET = {
    121: TableColumn((6, 12, 24, 16), 32, 64),
    161: TableColumn((6, 12, 36, 24), 48, 96),
    169: TableColumn((6, 12, 32, 32), 32, 64),
    201: TableColumn((6, 12, 48, 32), 32, 64),
}
# Table 2, k = 12. Section 3: the stem makes 16 channels, or 2k for DenseNet-BC.
CIFAR = {
    40: TableColumn((12, 12, 12), 12, 16, is_bottleneck=False, compression=1.0),
    100: TableColumn((32, 32, 32), 12, 16, is_bottleneck=False, compression=1.0),
}
CIFAR_BC = {100: TableColumn((16, 16, 16), 12, 24)}
BOTTLENECK = 4


class DenseLayer(nn.Sequential):
    """BatchNorm → ReLU → Conv (twice with a bottleneck): (N, C, H, W) → (N, growth, H, W)."""

    def __init__(self, in_channels: int, growth: int, is_bottleneck: bool) -> None:
        super().__init__()
        if is_bottleneck:
            wide = BOTTLENECK * growth
            self.norm1 = nn.BatchNorm2d(in_channels)
            self.relu1 = nn.ReLU(inplace=True)
            self.conv1 = nn.Conv2d(in_channels, wide, 1, bias=False)
            self.norm2 = nn.BatchNorm2d(wide)
            self.relu2 = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(wide, growth, 3, padding=1, bias=False)
        else:
            self.norm1 = nn.BatchNorm2d(in_channels)
            self.relu1 = nn.ReLU(inplace=True)
            self.conv1 = nn.Conv2d(in_channels, growth, 3, padding=1, bias=False)


class DenseBlock(nn.ModuleDict):
    """Layers that each read all that came before: (N, C, H, W) → (N, C + layers · growth, H, W)."""

    def __init__(self, layers: int, in_channels: int, growth: int, is_bottleneck: bool) -> None:
        super().__init__()
        for index in range(layers):
            layer = DenseLayer(in_channels + index * growth, growth, is_bottleneck)
            self.add_module(f"denselayer{index + 1}", layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = [x]
        for layer in self.values():
            features.append(layer(torch.cat(features, 1)))
        return torch.cat(features, 1)


class Transition(nn.Sequential):
    """BatchNorm → ReLU → 1×1 Conv → average pooling: half the resolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.pool = nn.AvgPool2d(2)


class DenseNet(nn.Module):
    """(N, 3, H, W) → (N, classes) logits."""

    def __init__(self, shape: TableColumn, *, classes: int, stem: Stem) -> None:
        super().__init__()
        self.features = nn.Sequential()
        channels = shape.first
        if stem == "small":
            self.features.add_module("conv0", nn.Conv2d(3, channels, 3, padding=1, bias=False))
        else:
            conv = nn.Conv2d(3, channels, 7, 2, padding=3, bias=False)
            self.features.add_module("conv0", conv)
            self.features.add_module("norm0", nn.BatchNorm2d(channels))
            self.features.add_module("relu0", nn.ReLU(inplace=True))
            self.features.add_module("pool0", nn.MaxPool2d(3, 2, padding=1))
        for index, layers in enumerate(shape.layers, start=1):
            block = DenseBlock(layers, channels, shape.growth, shape.is_bottleneck)
            self.features.add_module(f"denseblock{index}", block)
            channels += layers * shape.growth
            if index < len(shape.layers):
                compressed = int(channels * shape.compression)
                self.features.add_module(f"transition{index}", Transition(channels, compressed))
                channels = compressed
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.classifier = nn.Linear(channels, classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
            elif isinstance(layer, nn.Linear):
                nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.relu(self.features(x), inplace=True)
        x = nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)
        logits: torch.Tensor = self.classifier(x)
        return logits


def densenet(
    layers: int,
    *,
    classes: int = 1000,
    width: float = 1.0,
    depth: float = 1.0,
    stem: Stem = "imagenet",
) -> DenseNet:
    """The column of table 1 with 121, 161, 169 or 201 `layers`; `width` scales the growth."""
    return DenseNet(_scale(IMAGENET[layers], width, depth), classes=classes, stem=stem)


def cifar_densenet(
    layers: int,
    *,
    is_bottleneck: bool = False,
    classes: int = 10,
    width: float = 1.0,
    depth: float = 1.0,
) -> DenseNet:
    """The row of table 2 with 40 or 100 `layers` and k = 12; a bottleneck makes it DenseNet-BC."""
    shape = (CIFAR_BC if is_bottleneck else CIFAR)[layers]
    return DenseNet(_scale(shape, width, depth), classes=classes, stem="small")


def from_published(
    weights: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Weights as torchvision publishes them, where ``norm1`` is still called ``norm.1``."""
    old = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
    return {old.sub(r"\1\2", key): value for key, value in weights.items()}


def _scale(shape: TableColumn, width: float, depth: float) -> TableColumn:
    return replace(
        shape,
        layers=tuple(scale_repeats(count, depth) for count in shape.layers),
        growth=scale_channels(shape.growth, width),
        first=scale_channels(shape.first, width),
    )
