"""MobileNet (Howard et al. 2017, "MobileNets: Efficient Convolutional Neural Networks …")."""

from __future__ import annotations

import torch
from torch import nn

from edgecnn.zoo.blocks import ConvBNActivation, Stem, initialise_he, round_channels

STEM_CHANNELS = 32
# Table 1: output channels and stride of each depthwise separable block. The last stride is 1: the
# table says 2, which would leave 4×4 where its own next row reads 7×7.
TABLE = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)


class DepthwiseSeparable(nn.Sequential):
    """Depthwise 3×3 → pointwise 1×1, each with BatchNorm and ReLU (figure 3, right)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.depthwise = ConvBNActivation(
            in_channels,
            in_channels,
            kernel_size=3,
            stride=stride,
            groups=in_channels,
            activation=nn.ReLU,
        )
        self.pointwise = ConvBNActivation(
            in_channels, out_channels, kernel_size=1, activation=nn.ReLU
        )


class MobileNetV1(nn.Module):
    """(N, 3, H, W) → (N, classes) logits.

    Args:
        width: α of section 3.3. The resolution multiplier ρ of section 3.4 is the input's size.
        stem: "small" has no stride in the first two layers that have one: 32×32 ends as 4×4.
    """

    def __init__(
        self,
        width: float = 1.0,
        classes: int = 1000,
        stem: Stem = "imagenet",
        dropout: float = 0.001,
    ) -> None:
        super().__init__()
        is_small = stem == "small"
        channels = round_channels(STEM_CHANNELS * width)
        first = ConvBNActivation(
            3, channels, kernel_size=3, stride=1 if is_small else 2, activation=nn.ReLU
        )
        features: list[nn.Module] = [first]
        for index, (base, table_stride) in enumerate(TABLE):
            stride = 1 if is_small and index == 1 else table_stride
            out_channels = round_channels(base * width)
            features.append(DepthwiseSeparable(channels, out_channels, stride))
            channels = out_channels
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, classes))
        initialise_he(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), 1).flatten(1)
        logits: torch.Tensor = self.classifier(x)
        return logits


def mobilenet_v1(classes: int = 1000, width: float = 1.0, stem: Stem = "imagenet") -> MobileNetV1:
    """MobileNet with `width` times the channels."""
    return MobileNetV1(width, classes, stem)
