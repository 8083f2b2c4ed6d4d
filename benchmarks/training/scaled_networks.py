"""The networks that compound_scaling.py compares: a small residual one, and seven of its 4 × MACs.

Tan and Le 2019, section 3.3: depth α^φ, width β^φ, resolution γ^φ cost (α β² γ²)^φ times as much.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from edgecnn.zoo.blocks import scale_channels
from edgecnn.zoo.resnet import CIFAR_CHANNELS, BasicBlock, ResNet


@dataclass(frozen=True)
class Scaled:
    """One network to train.

    Attributes:
        blocks: residual blocks in each stage; one is two convolutions.
        width: multiplier of ResNet's 16, 32 and 64 channels.
        side: of the image in pixels.
    """

    blocks: tuple[int, int, int]
    width: float
    side: int

    def build(self) -> nn.Module:
        """Fresh weights."""
        channels = tuple(scale_channels(count, self.width) for count in CIFAR_CHANNELS)
        return ResNet(
            BasicBlock, self.blocks, channels, classes=10, stem="small", shortcut="padding"
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the input."""
        return (3, self.side, self.side)

    def factors(self) -> tuple[float, float, float]:
        """Depth, width and resolution as multiples of `BASE`'s: blocks, channels, pixels a side."""
        return (
            sum(self.blocks) / sum(BASE.blocks),
            self.width / BASE.width,
            self.side / BASE.side,
        )


BASE = Scaled((1, 1, 1), 0.5, 16)
COMPOUND = "compound"
# About four times the multiply-adds each. CIFAR-10 has 32 pixels a side: resolution ends there.
# Whole blocks, channels and pixels come near the intended factors (2, √2, …); the compound one is
# Tan and Le's α = 1.2, β = 1.1, γ = 1.15 at φ = ln 4 / ln(α β² γ²) = 2.12: 1.47, 1.22 and 1.35.
NETWORKS: dict[str, Scaled] = {
    "base": BASE,
    "depth": Scaled((4, 4, 3), 0.5, 16),
    "width": Scaled((1, 1, 1), 1.03, 16),
    "resolution": Scaled((1, 1, 1), 0.5, 32),
    "depth, width": Scaled((2, 2, 2), 0.7, 16),
    "depth, resolution": Scaled((2, 2, 2), 0.5, 21),
    "width, resolution": Scaled((1, 1, 1), 0.68, 23),
    COMPOUND: Scaled((2, 1, 1), 0.6, 22),
}
