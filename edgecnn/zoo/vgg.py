"""VGG (Simonyan and Zisserman 2015, "Very Deep Convolutional Networks", table 1).

The state dict has torchvision's keys and shapes.
"""

from __future__ import annotations

import torch
from torch import nn

from edgecnn.zoo.blocks import Stem, initialise_he, scale_channels, scale_repeats

CHANNELS = (64, 128, 256, 512, 512)
# Table 1: 3×3 convolutions in each of the five stages; columns A, B, D and E.
REPEATS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
HIDDEN = 4096
HIDDEN_SMALL = 512


class VGG(nn.Module):
    """(N, 3, H, W) → (N, classes) logits.

    The stem "small" reads 32×32: its five poolings leave one pixel, and the classifier is as wide
    as the last stage.

    Args:
        repeats: convolutions in each stage.
        has_batch_norm: one after every convolution, which the paper did not have yet.
    """

    def __init__(
        self,
        repeats: tuple[int, ...],
        *,
        has_batch_norm: bool,
        classes: int = 1000,
        width: float = 1.0,
        stem: Stem = "imagenet",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.repeats = repeats
        layers: list[nn.Module] = []
        channels = 3
        for base, count in zip(CHANNELS, repeats, strict=True):
            for _ in range(count):
                out_channels = scale_channels(base, width)
                layers.append(nn.Conv2d(channels, out_channels, 3, padding=1))
                if has_batch_norm:
                    layers.append(nn.BatchNorm2d(out_channels))
                layers.append(nn.ReLU(inplace=True))
                channels = out_channels
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        side = 1 if stem == "small" else 7
        hidden = scale_channels(HIDDEN_SMALL if stem == "small" else HIDDEN, width)
        self.avgpool = nn.AdaptiveAvgPool2d((side, side))
        self.classifier = nn.Sequential(
            nn.Linear(channels * side * side, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )
        initialise_he(self)
        if stem == "small":
            # The last layers are narrow here: N(0, 0.01) would leave nothing of the signal.
            for layer in self.classifier:
                if isinstance(layer, nn.Linear):
                    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


def vgg(
    layers: int,
    *,
    has_batch_norm: bool = False,
    classes: int = 1000,
    width: float = 1.0,
    depth: float = 1.0,
    stem: Stem = "imagenet",
) -> VGG:
    """VGG with 11, 13, 16 or 19 weighted `layers`; `depth` scales the convolutions of a stage."""
    repeats = tuple(scale_repeats(count, depth) for count in REPEATS[layers])
    return VGG(repeats, has_batch_norm=has_batch_norm, classes=classes, width=width, stem=stem)
