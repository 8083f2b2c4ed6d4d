"""A small depthwise-separable network with fixed weights: kept bundles were exported from it."""

from __future__ import annotations

import torch
from torch import nn


def separable() -> nn.Sequential:
    """(N, 3, 16, 16) → (N, 4): a stem, a depthwise-separable block and a classifier."""
    torch.manual_seed(17)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU6(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU6(),
        nn.Conv2d(8, 16, 1, bias=False),
        nn.BatchNorm2d(16),
        nn.Hardswish(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 4),
    )
    for layer in network:
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.5)
            nn.init.uniform_(layer.running_var, 0.05, 0.3)
    return network.eval()
