"""The networks that depth_width.py compares: plain and residual, with batch norm and without."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from torch import nn

from benchmarks.training.gradient_norms import convolutions
from edgecnn.report.plots.network import COLOURS
from edgecnn.zoo.resnet import cifar_resnet

DEPTHS, WIDTHS = (8, 20, 32, 56), (0.25, 0.5, 1.0)
DEEPEST = DEPTHS[-1]
# Depths are compared at this width, widths at this depth.
WIDTH, DEPTH = 0.5, 20

Shortcut = Literal["none", "padding"]
Start = Literal["batch norm, He", "no norm, He", "no norm, PyTorch"]
SHORTCUTS: dict[Shortcut, tuple[str, str, str]] = {
    "none": ("plain", COLOURS[4], "o"),
    "padding": ("residual", COLOURS[0], "s"),
}
BATCH_NORM: Start = "batch norm, He"
STARTS: dict[Start, str] = {
    BATCH_NORM: "batch norm",
    "no norm, He": "no batch norm, He's initialisation",
    "no norm, PyTorch": "no batch norm, PyTorch's initialisation",
}


@dataclass(frozen=True)
class Network:
    """One network to train.

    Attributes:
        shortcut: as `cifar_resnet` takes it; "none" is plain.
        start: normalisation, and how the convolutions' weights are drawn.
    """

    layers: int
    width: float
    shortcut: Shortcut
    start: Start = BATCH_NORM

    def build(self) -> nn.Module:
        """Fresh weights."""
        network = cifar_resnet(self.layers, width=self.width, shortcut=self.shortcut)
        if self.start != BATCH_NORM:
            _drop_batch_norm(network)
        if self.start == "no norm, PyTorch":
            for convolution in convolutions(network):
                convolution.reset_parameters()
        return network


def networks(seeds: int) -> Iterator[tuple[Network, int]]:
    """Networks to train, with their seeds: both series, then the deepest without batch norm."""
    sizes = [(layers, WIDTH) for layers in DEPTHS]
    sizes += [(DEPTH, width) for width in WIDTHS if width != WIDTH]
    for seed in range(seeds):
        for layers, width in sizes:
            for shortcut in SHORTCUTS:
                yield Network(layers, width, shortcut), seed
        if seed == 0:
            for start in ("no norm, He", "no norm, PyTorch"):
                for shortcut in SHORTCUTS:
                    yield Network(DEEPEST, WIDTH, shortcut, start), seed


def _drop_batch_norm(network: nn.Module) -> None:
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
