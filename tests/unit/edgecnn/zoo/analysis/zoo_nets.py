"""Small networks for tests of the zoo's analysis."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from edgecnn.zoo.analysis.stages import ResolutionStage
from edgecnn.zoo.analysis.summary import Summary, summarise

Forward = Callable[[nn.ModuleDict, torch.Tensor], torch.Tensor]


class Net(nn.Module):
    """Layers by name, and how they are put together."""

    def __init__(self, forward: Forward, **layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(layers)
        self.how = forward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.how(self.layers, x)


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)


def count(network: nn.Module, channels: int = 1, side: int = 16) -> Summary:
    return summarise(network, (channels, side, side))


def spans(stage: ResolutionStage) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(first, last, stride) along height and width."""
    assert stage.place is not None
    rows, columns = stage.place.rows, stage.place.columns
    return (
        (float(rows.first), float(rows.last), float(rows.stride)),
        (float(columns.first), float(columns.last), float(columns.stride)),
    )
