"""A small classifier of colours in memory, and inputs for it."""

from __future__ import annotations

import torch
from torch import nn

SHAPE = (3, 16, 16)
LABELS = ("red", "green", "blue")
# The preprocessing called unit.
UNIT = {
    "colour": "RGB",
    "resize": SHAPE[1:],
    "filter": "bilinear",
    "crop": None,
    "scale": 1 / 255,
    "mean": (0.0,) * 3,
    "std": (1.0,) * 3,
    "layout": "NCHW",
}


class SmallNet(nn.Sequential):
    """Two convolutions, in training mode as a training leaves it."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 3),
        )


def inputs(count: int = 48) -> torch.Tensor:
    """Inputs in the range that the preprocessing ``unit`` makes."""
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(0))
