"""GoogLeNet (Szegedy et al. 2015, "Going Deeper with Convolutions", table 1).

The state dict has torchvision's keys and shapes, batch norm after every convolution included; as
there, and unlike the paper, the branch called 5×5 convolves 3×3.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from edgecnn.zoo.blocks import Stem, scale_channels

# Table 1: channels of 1×1 | 3×3 reduce, 3×3 | 5×5 reduce, 5×5 | pool projection.
TABLE = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class TrainingOutputs(NamedTuple):
    """Outputs of the network in training: three times (N, classes) logits."""

    logits: torch.Tensor
    auxiliary2: torch.Tensor
    auxiliary1: torch.Tensor


class ConvBNReLU(nn.Module):
    """Conv → BatchNorm → ReLU; (N, C, H, W) in and out."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1
    ) -> None:
        super().__init__()
        padding = (kernel_size - 1) // 2
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding=padding, bias=False
        )
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """Four branches side by side, each large kernel behind a 1×1 reduction (figure 2b)."""

    def __init__(self, in_channels: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, pooled = channels
        self.out_channels = one + three + five + pooled
        self.branch1 = ConvBNReLU(in_channels, one, 1)
        self.branch2 = nn.Sequential(
            ConvBNReLU(in_channels, reduce3, 1), ConvBNReLU(reduce3, three, 3)
        )
        self.branch3 = nn.Sequential(
            ConvBNReLU(in_channels, reduce5, 1), ConvBNReLU(reduce5, five, 3)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, 1, padding=1, ceil_mode=True), ConvBNReLU(in_channels, pooled, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branches = self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)
        return torch.cat(branches, 1)


def inception(name: str, in_channels: int, width: float) -> Inception:
    """The block of that row of table 1, `width` times as wide."""
    channels = tuple(scale_channels(count, width) for count in TABLE[name])
    return Inception(in_channels, channels)


class Auxiliary(nn.Module):
    """A classifier half-way, for its gradient in training (section 5); (N, C, H, W) → logits."""

    def __init__(self, in_channels: int, classes: int, width: float) -> None:
        super().__init__()
        channels, hidden = scale_channels(128, width), scale_channels(1024, width)
        self.conv = ConvBNReLU(in_channels, channels, 1)
        self.fc1 = nn.Linear(channels * 4 * 4, hidden)
        self.fc2 = nn.Linear(hidden, classes)
        self.dropout = nn.Dropout(0.7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(nn.functional.adaptive_avg_pool2d(x, (4, 4))).flatten(1)
        logits: torch.Tensor = self.fc2(self.dropout(nn.functional.relu(self.fc1(x))))
        return logits


class GoogLeNet(nn.Module):
    """(N, 3, H, W) → (N, classes) logits; in training `TrainingOutputs`, with auxiliary logits.

    The small stem leaves out the first stride and the first pooling: 32×32 reaches the first
    Inception block as 16×16.
    """

    def __init__(self, classes: int = 1000, width: float = 1.0, stem: Stem = "imagenet") -> None:
        super().__init__()
        is_small = stem == "small"
        first, third = scale_channels(64, width), scale_channels(192, width)
        self.conv1 = ConvBNReLU(3, first, 3) if is_small else ConvBNReLU(3, first, 7, 2)
        self.maxpool1 = nn.Identity() if is_small else nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = ConvBNReLU(first, first, 1)
        self.conv3 = ConvBNReLU(first, third, 3)
        self.maxpool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.inception3a = inception("3a", third, width)
        self.inception3b = inception("3b", self.inception3a.out_channels, width)
        self.maxpool3 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.inception4a = inception("4a", self.inception3b.out_channels, width)
        self.inception4b = inception("4b", self.inception4a.out_channels, width)
        self.inception4c = inception("4c", self.inception4b.out_channels, width)
        self.inception4d = inception("4d", self.inception4c.out_channels, width)
        self.inception4e = inception("4e", self.inception4d.out_channels, width)
        # torchvision's fourth pooling is 2×2, the paper's 3×3.
        self.maxpool4 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.inception5a = inception("5a", self.inception4e.out_channels, width)
        self.inception5b = inception("5b", self.inception5a.out_channels, width)
        self.aux1 = Auxiliary(self.inception4a.out_channels, classes, width)
        self.aux2 = Auxiliary(self.inception4d.out_channels, classes, width)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(self.inception5b.out_channels, classes)
        _initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor | TrainingOutputs:
        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        x = self.inception3b(self.inception3a(x))
        x = first = self.inception4a(self.maxpool3(x))
        x = second = self.inception4d(self.inception4c(self.inception4b(x)))
        x = self.maxpool4(self.inception4e(x))
        x = self.inception5b(self.inception5a(x))
        logits: torch.Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        if self.training:
            return TrainingOutputs(logits, self.aux2(second), self.aux1(first))
        return logits


def _initialise(network: GoogLeNet) -> None:
    """He's rule for convolutions; N(0, 0.01) cut at two deviations for what is fully connected."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        elif isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=0.01, a=-0.02, b=0.02)


def googlenet(classes: int = 1000, width: float = 1.0, stem: Stem = "imagenet") -> GoogLeNet:
    """GoogLeNet (Inception v1)."""
    return GoogLeNet(classes, width, stem)
