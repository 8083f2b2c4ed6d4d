"""Inception blocks that inception.py times, with their 1×1 reductions and without.

Szegedy et al. 2015, figure 2: (b) is the zoo's block; in "direct" its large kernels read all
channels of the input as in (a), and the pooling keeps its projection: both forms have one output.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import torch
from torch import nn

from benchmarks.runtime.blocks import Blocks
from edgecnn.zoo.analysis.summary import summarise
from edgecnn.zoo.googlenet import TABLE, ConvBNReLU, Inception, googlenet

Form = Literal["reduced", "direct"]
FORMS: tuple[Form, ...] = ("reduced", "direct")
# Side of the map that each block reads at 224×224, and its channels (table 1).
INPUTS = {
    "3a": (28, 192),
    "3b": (28, 256),
    "4a": (14, 480),
    "4b": (14, 512),
    "4c": (14, 512),
    "4d": (14, 512),
    "4e": (14, 528),
    "5a": (7, 832),
    "5b": (7, 832),
}
WHOLE = "googlenet"
SIDE = 224
# The larger of the two kernels: 3×3 in the zoo, as in torchvision; 5×5 in the paper.
LARGE_KERNELS = (3, 5)


def side_of(name: str) -> int:
    """Side of what a block, or GoogLeNet, reads."""
    return INPUTS[name][0] if name in INPUTS else SIDE


def network(name: str, form: Form | None, large: int = 3) -> nn.Module:
    """GoogLeNet with all its blocks in that form, or a block between a convolution and classes.

    Args:
        name: of the block, or `WHOLE`.
        form: None leaves the block out.
        large: the larger kernel.
    """
    if name == WHOLE:
        built = googlenet()
        for each in TABLE:
            setattr(built, f"inception{each}", _block(each, form or "reduced", large))
        return built
    _, channels = INPUTS[name]
    if form is None:
        return Blocks(channels, [], channels)
    block = _block(name, form, large)
    return Blocks(channels, [block], block.out_channels)


@cache
def count(name: str, form: Form, large: int) -> tuple[int, int]:
    """Multiply-accumulates and parameters of a block, or of GoogLeNet, by the zoo's own counter."""
    with torch.device("meta"):  # shapes are enough
        if name == WHOLE:
            built, shape = network(name, form, large), (3, SIDE, SIDE)
        else:
            side, channels = INPUTS[name]
            built, shape = _block(name, form, large), (channels, side, side)
    summary = summarise(built.eval(), shape)
    return summary.macs, summary.parameters


def _block(name: str, form: Form, large: int) -> Inception:
    channels = INPUTS[name][1]
    _, _, three, reduce5, five, _ = TABLE[name]
    built = Inception(channels, TABLE[name])
    if form == "direct":
        built.branch2 = nn.Sequential(ConvBNReLU(channels, three, 3))
        built.branch3 = nn.Sequential(ConvBNReLU(channels, five, large))
    else:
        built.branch3[1] = ConvBNReLU(reduce5, five, large)
    return built
