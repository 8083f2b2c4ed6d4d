"""AlexNet, as it was in 2012 and as torchvision has it.

Krizhevsky et al. 2012, "ImageNet Classification with Deep Convolutional Neural Networks"; the form
of one GPU is Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks".
"""

from __future__ import annotations

import torch
from torch import nn

from edgecnn.zoo.blocks import Stem, scale_channels

HIDDEN = 4096
# At 32×32 the classifier is as small against the features as it is at 224×224.
HIDDEN_SMALL = 1024


class AlexNet(nn.Module):
    """(N, 3, 224, 224) → (N, classes) logits, or (N, 3, 32, 32) with the small stem."""

    def __init__(
        self, features: nn.Sequential, channels: int, side: int, hidden: int, classes: int
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((side, side))
        self.classifier = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(channels * side * side, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


def alexnet(classes: int = 1000, width: float = 1.0, stem: Stem = "imagenet") -> AlexNet:
    """AlexNet with torchvision's state dict: no normalisation, no groups."""
    is_small = stem == "small"
    first, second, third, fourth = (scale_channels(c, width) for c in (64, 192, 384, 256))
    conv1 = nn.Conv2d(3, first, 5, padding=2) if is_small else nn.Conv2d(3, first, 11, 4, padding=2)
    features = nn.Sequential(
        conv1,
        nn.ReLU(inplace=True),
        _pool(is_small),
        nn.Conv2d(first, second, 5, padding=2),
        nn.ReLU(inplace=True),
        _pool(is_small),
        nn.Conv2d(second, third, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(third, fourth, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(fourth, fourth, 3, padding=1),
        nn.ReLU(inplace=True),
        _pool(is_small),
    )
    return _classify(features, fourth, width, is_small, classes)


def alexnet_2012(classes: int = 1000, width: float = 1.0, stem: Stem = "imagenet") -> AlexNet:
    """AlexNet as in figure 2 of the paper: halves on two GPUs (groups), normalised responses."""
    is_small = stem == "small"
    # Each half of a grouped convolution is whole.
    first, second, third, fourth = (2 * scale_channels(c // 2, width) for c in (96, 256, 384, 256))
    conv1 = nn.Conv2d(3, first, 5, padding=2) if is_small else nn.Conv2d(3, first, 11, 4, padding=2)
    features = nn.Sequential(
        conv1,
        nn.ReLU(inplace=True),
        _normalise(),
        _pool(is_small),
        nn.Conv2d(first, second, 5, padding=2, groups=2),
        nn.ReLU(inplace=True),
        _normalise(),
        _pool(is_small),
        nn.Conv2d(second, third, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(third, third, 3, padding=1, groups=2),
        nn.ReLU(inplace=True),
        nn.Conv2d(third, fourth, 3, padding=1, groups=2),
        nn.ReLU(inplace=True),
        _pool(is_small),
    )
    network = _classify(features, fourth, width, is_small, classes)
    if not is_small:
        _initialise_2012(network)
    return network


def _normalise() -> nn.LocalResponseNorm:
    # Section 3.3: k = 2, n = 5, alpha = 1e-4, beta = 0.75; PyTorch divides its alpha by n.
    return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)


def _pool(is_small: bool) -> nn.MaxPool2d:
    # Section 3.4: windows that overlap; at 32×32 they would leave 3×3 of the image.
    return nn.MaxPool2d(2) if is_small else nn.MaxPool2d(3, 2)


def _classify(
    features: nn.Sequential, channels: int, width: float, is_small: bool, classes: int
) -> AlexNet:
    hidden = scale_channels(HIDDEN_SMALL if is_small else HIDDEN, width)
    return AlexNet(features, channels, 2 if is_small else 6, hidden, classes)


def _initialise_2012(network: AlexNet) -> None:
    """Section 5: N(0, 0.01); bias 1 in the second, fourth and fifth convolution and in FC layers.

    Those ones gave the first ReLUs something to pass on; the last layer begins at 0.
    """
    convolutions = [layer for layer in network.features if isinstance(layer, nn.Conv2d)]
    linears = [layer for layer in network.classifier if isinstance(layer, nn.Linear)]
    ones = (*(convolutions[i] for i in (1, 3, 4)), *linears[:-1])
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, float(any(layer is one for one in ones)))
