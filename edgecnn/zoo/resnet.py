"""ResNet (He et al. 2016, "Deep Residual Learning for Image Recognition").

The networks of table 1 have torchvision's keys and shapes; those of section 4.2 (6n + 2 layers, for
CIFAR-10) have the same keys with three stages. With 8 layers it is the image classifier of the
MLPerf Tiny benchmark (Banbury et al. 2021), whose shortcuts are convolutions.
"""

from __future__ import annotations

import torch
from torch import nn

from edgecnn.zoo.blocks import Stem, scale_channels, scale_repeats

# Table 1: channels of conv2_x … conv5_x before a bottleneck's expansion.
CHANNELS = (64, 128, 256, 512)
REPEATS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)} | {
    152: (3, 8, 36, 3)
}
# Section 4.2: channels at 32×32, 16×16 and 8×8.
CIFAR_CHANNELS = (16, 32, 64)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions around a shortcut (figure 5, left); (N, C, H, W) in and out.

    Args:
        shortcut: what the input passes on its way around; None leaves a plain network's two layers.
    """

    expansion = 1

    def __init__(
        self, in_channels: int, channels: int, stride: int, shortcut: nn.Module | None
    ) -> None:
        super().__init__()
        self.conv1 = _conv3x3(in_channels, channels, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv3x3(channels, channels)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.downsample is not None:
            y = y + self.downsample(x)
        activated: torch.Tensor = self.relu(y)
        return activated


class Bottleneck(nn.Module):
    """1×1 reduce, 3×3, 1×1 expand around a shortcut (figure 5, right).

    The stride is in the 3×3 convolution, as in torchvision; the paper has it in the first 1×1.
    """

    expansion = 4

    def __init__(
        self, in_channels: int, channels: int, stride: int, shortcut: nn.Module | None
    ) -> None:
        super().__init__()
        expanded = channels * self.expansion
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = _conv3x3(channels, channels, stride)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, expanded, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(expanded)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        if self.downsample is not None:
            y = y + self.downsample(x)
        activated: torch.Tensor = self.relu(y)
        return activated


class PadChannels(nn.Module):
    """Take every other pixel and add channels of zeros: the shortcut without weights (option A)."""

    def __init__(self, extra: int, stride: int) -> None:
        super().__init__()
        self.extra = extra
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # A pooling window of one pixel subsamples, and every runtime has it.
        x = nn.functional.max_pool2d(x, 1, self.stride)
        return nn.functional.pad(x, (0, 0, 0, 0, 0, self.extra))


class ResNet(nn.Module):
    """(N, 3, H, W) → (N, classes) logits.

    Args:
        block: BasicBlock or Bottleneck.
        repeats: blocks in each stage; every stage but the first halves the resolution.
        channels: of each stage, before the expansion of the block.
        stem: "small" is the first 3×3 convolution of section 4.2, without stride or pooling.
        shortcut: where shapes differ: "projection" by 1×1 convolution (option B), "convolution" for
            the same with a bias in place of the batch norm (MLPerf Tiny), or "padding" by zeros
            (option A); "none" makes the plain network that the paper compares with.
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        repeats: tuple[int, ...],
        channels: tuple[int, ...],
        *,
        classes: int,
        stem: Stem,
        shortcut: str,
    ) -> None:
        super().__init__()
        reached = channels[0]
        if stem == "small":
            self.conv1 = _conv3x3(3, reached)
        else:
            self.conv1 = nn.Conv2d(3, reached, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(reached)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if stem == "small" else nn.MaxPool2d(3, 2, padding=1)
        self.stages: list[nn.Sequential] = []
        for index, (count, wide) in enumerate(zip(repeats, channels, strict=True), start=1):
            blocks: list[nn.Module] = []
            for repeat in range(count):
                stride = 2 if repeat == 0 and index > 1 else 1
                around = _shortcut(shortcut, reached, wide * block.expansion, stride)
                blocks.append(block(reached, wide, stride, around))
                reached = wide * block.expansion
            self.stages.append(nn.Sequential(*blocks))
            self.add_module(f"layer{index}", self.stages[-1])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(reached, classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in self.stages:
            x = stage(x)
        logits: torch.Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


def _conv3x3(in_channels: int, channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)


def _shortcut(kind: str, in_channels: int, out_channels: int, stride: int) -> nn.Module | None:
    if kind == "none":
        return None
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if kind == "padding":
        return PadChannels(out_channels - in_channels, stride)
    if kind == "convolution":
        return nn.Conv2d(in_channels, out_channels, 1, stride)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
    )


def resnet(
    layers: int,
    *,
    classes: int = 1000,
    width: float = 1.0,
    depth: float = 1.0,
    stem: Stem = "imagenet",
) -> ResNet:
    """The column of table 1 with 18, 34, 50, 101 or 152 `layers`; `depth` scales the blocks."""
    return ResNet(
        BasicBlock if layers < 50 else Bottleneck,
        tuple(scale_repeats(count, depth) for count in REPEATS[layers]),
        tuple(scale_channels(count, width) for count in CHANNELS),
        classes=classes,
        stem=stem,
        shortcut="projection",
    )


def cifar_resnet(
    layers: int,
    *,
    classes: int = 10,
    width: float = 1.0,
    depth: float = 1.0,
    shortcut: str = "padding",
) -> ResNet:
    """The network of section 4.2 with 6n + 2 `layers`: three stages of 2n layers.

    Args:
        shortcut: "padding" as in the paper, "projection", "convolution" as in MLPerf Tiny, or
            "none" for the plain counterpart.
    """
    return ResNet(
        BasicBlock,
        (scale_repeats((layers - 2) // 6, depth),) * 3,
        tuple(scale_channels(count, width) for count in CIFAR_CHANNELS),
        classes=classes,
        stem="small",
        shortcut=shortcut,
    )
