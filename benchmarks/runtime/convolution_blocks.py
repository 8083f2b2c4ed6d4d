"""Forms of a convolution that depthwise.py times: standard, separable, and the separable's halves.

Howard et al. 2017, "MobileNets", section 3.1 and figure 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from torch import nn

from benchmarks.runtime.blocks import Blocks
from edgecnn.zoo.analysis.summary import summarise
from edgecnn.zoo.blocks import ConvBNActivation

SIDE = 28
BLOCKS = 4

Kind = Literal["none", "standard", "separable", "depthwise", "pointwise"]
KINDS: tuple[Kind, ...] = ("none", "standard", "separable", "depthwise", "pointwise")


@dataclass(frozen=True)
class Layer:
    """A convolution of as many channels out as in, at stride 1 on a map of `SIDE` × `SIDE`."""

    channels: int
    kernel: int

    @property
    def ratio(self) -> float:
        """Multiply-accumulates of the separable form over the standard one's, 1/N + 1/K²."""
        return 1 / self.channels + 1 / self.kernel**2

    def macs(self, kind: Kind) -> int:
        """Multiply-accumulates of one block."""
        depthwise = self.kernel**2
        each = {
            "none": 0,
            "standard": depthwise * self.channels,
            "depthwise": depthwise,
            "pointwise": self.channels,
            "separable": depthwise + self.channels,
        }
        return SIDE**2 * self.channels * each[kind]

    def values(self, kind: Kind) -> int:
        """Numbers that one block reads and writes: maps and weights; two layers, so twice."""
        maps, taps, square = 2 * SIDE**2 * self.channels, self.kernel**2, self.channels**2
        each = {
            "none": 0,
            "standard": maps + taps * square,
            "depthwise": maps + taps * self.channels,
            "pointwise": maps + square,
            "separable": 2 * maps + taps * self.channels + square,
        }
        return each[kind]


def network(layer: Layer, kind: Kind) -> nn.Module:
    """`BLOCKS` blocks of that kind between a first convolution and the classes."""
    channels = layer.channels
    conv = partial(ConvBNActivation, channels, channels, activation=nn.ReLU)
    depthwise = partial(conv, kernel_size=layer.kernel, groups=channels)
    pointwise = partial(conv, kernel_size=1)
    forms = {
        "none": (),
        "standard": (partial(conv, kernel_size=layer.kernel),),
        "separable": (depthwise, pointwise),
        "depthwise": (depthwise,),
        "pointwise": (pointwise,),
    }
    return Blocks(channels, [form() for _ in range(BLOCKS) for form in forms[kind]], channels)


def counted_macs(layer: Layer, kind: Kind) -> int:
    """Multiply-accumulates of one block by the zoo's own counter."""
    shape = (3, SIDE, SIDE)
    whole, rest = (summarise(network(layer, each).eval(), shape).macs for each in (kind, "none"))
    return (whole - rest) // BLOCKS
