"""LeNet-5 (LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition", §II.B).

As it is taught today: every map of C3 reads every map of S2, pooling has no weights, and the last
layer is linear in place of radial basis functions.
"""

from __future__ import annotations

import torch
from torch import nn


class LeNet5(nn.Module):
    """(N, 1, 28, 28) → (N, classes) logits. The first convolution pads to the paper's 32×32."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2),
            nn.Sigmoid(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.Sigmoid(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(16 * 5 * 5, 120),
            nn.Sigmoid(),
            nn.Linear(120, 84),
            nn.Sigmoid(),
            nn.Linear(84, classes),
        )
        self.apply(_initialise)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.features(x).flatten(1))
        return logits


def _initialise(module: nn.Module) -> None:
    # Without it the signal of a random sigmoid network dies within two layers.
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def lenet5(classes: int = 10) -> LeNet5:
    """LeNet-5 with sigmoid activations and max pooling."""
    return LeNet5(classes)
