"""LeNet-5 (LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition", §II.B).

As it is taught today: every map of C3 reads every map of S2, pooling has no weights, and the last
layer is linear in place of radial basis functions.
"""

from __future__ import annotations

import torch
from torch import nn

from edgecnn.zoo.blocks import Stem, scale_channels


class LeNet5(nn.Module):
    """(N, 1, 28, 28) → (N, classes) logits; (N, 1, 32, 32) with the small stem.

    The paper reads 32×32, which the first convolution pads 28×28 to.
    """

    def __init__(
        self,
        classes: int = 10,
        width: float = 1.0,
        stem: Stem = "imagenet",
        activation: type[nn.Module] = nn.Sigmoid,
    ) -> None:
        super().__init__()
        c1, c3 = scale_channels(6, width), scale_channels(16, width)
        c5, f6 = scale_channels(120, width), scale_channels(84, width)
        self.features = nn.Sequential(
            nn.Conv2d(1, c1, 5, padding=0 if stem == "small" else 2),
            activation(),
            nn.MaxPool2d(2),
            nn.Conv2d(c1, c3, 5),
            activation(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(c3 * 5 * 5, c5),
            activation(),
            nn.Linear(c5, f6),
            activation(),
            nn.Linear(f6, classes),
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


def lenet5(classes: int = 10, width: float = 1.0, stem: Stem = "imagenet") -> LeNet5:
    """LeNet-5 with sigmoid activations and max pooling."""
    return LeNet5(classes, width, stem)


def lenet5_relu(classes: int = 10, width: float = 1.0, stem: Stem = "imagenet") -> LeNet5:
    """LeNet-5 with ReLU in place of the sigmoid."""
    return LeNet5(classes, width, stem, nn.ReLU)
