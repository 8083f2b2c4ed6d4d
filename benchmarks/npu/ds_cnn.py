"""DS-CNN for keyword spotting in the form of the MLPerf Tiny benchmark, with random weights.

Zhang et al. 2017, "Hello Edge"; Banbury et al. 2021: 49 frames of 10 coefficients, 64 channels,
four depthwise-separable blocks, 12 classes.
"""

from __future__ import annotations

import torch
from torch import nn

CHANNELS, CLASSES = 64, 12


class DSCNN(nn.Module):
    """(N, 1, 49, 10) → (N, 12)."""

    def __init__(self) -> None:
        super().__init__()
        stem = _convolution(1, CHANNELS, (10, 4), (2, 2), (5, 1), 1)
        # 49 x 10 becomes 25 x 5, as TensorFlow's padding "same" makes it.
        blocks = [layer for _ in range(4) for layer in _separable()]
        self.features = nn.Sequential(*stem, *blocks)
        self.classifier = nn.Linear(CHANNELS, CLASSES)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.features(frames)
        logits: torch.Tensor = self.classifier(features.mean((2, 3)))
        return logits


def build() -> nn.Module:
    """The network, the same at every call."""
    torch.manual_seed(0)
    return DSCNN().eval()


def _separable() -> list[nn.Module]:
    depthwise = _convolution(CHANNELS, CHANNELS, (3, 3), (1, 1), (1, 1), CHANNELS)
    return [*depthwise, *_convolution(CHANNELS, CHANNELS, (1, 1), (1, 1), (0, 0), 1)]


def _convolution(
    inputs: int,
    outputs: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    groups: int,
) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
