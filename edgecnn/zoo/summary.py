"""What a network is made of, seen from outside: depth, width, parameters, MACs, receptive field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from edgecnn_runtime.errors import EdgeCNNError


@dataclass(frozen=True)
class Summary:
    """Figures of one network at one input size.

    Attributes:
        depth: weighted layers: convolutions and fully connected layers.
        width: output channels of the widest convolution.
        parameters: trainable numbers.
        macs: multiply-accumulates of one inference, of convolutions and fully connected layers.
        receptive_field: pixels along one side of the input that one last feature sees.
        stride: pixels of the input between two neighbouring last features.
    """

    depth: int
    width: int
    parameters: int
    macs: int
    receptive_field: int
    stride: int


@dataclass
class _Tally:
    depth: int = 0
    width: int = 0
    macs: int = 0
    receptive_field: int = 1
    stride: int = 1

    def see(self, layer: nn.Module, _: Any, output: torch.Tensor) -> None:
        if isinstance(layer, nn.Conv2d):
            self.depth += 1
            self.width = max(self.width, layer.out_channels)
            taps = layer.weight[0].numel()
            self.macs += taps * output[0].numel()
            self._slide(layer.kernel_size[0], _first(layer.stride), _first(layer.dilation))
        elif isinstance(layer, nn.Linear):
            self.depth += 1
            self.macs += layer.weight.numel()
        elif isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
            self._slide(_first(layer.kernel_size), _first(layer.stride), 1)

    def _slide(self, kernel: int, stride: int, dilation: int) -> None:
        """One more window: r' = r + (k - 1) d j, j' = j s (Araujo et al. 2019, eq. 2)."""
        self.receptive_field += (kernel - 1) * dilation * self.stride
        self.stride *= stride


def summarise(network: nn.Module, shape: tuple[int, int, int]) -> Summary:
    """Count one network whose layers run one after another, residual additions aside.

    Args:
        shape: (channels, height, width) of the input.

    Raises:
        EdgeCNNError: the network does not run on that input.
    """
    tally = _Tally()
    hooks = [layer.register_forward_hook(tally.see) for layer in network.modules()]
    try:
        with torch.no_grad():
            network(torch.zeros(1, *shape))
    except RuntimeError as error:
        size = "x".join(map(str, shape))
        raise EdgeCNNError(f"the network does not run on an input of 1x{size}: {error}") from error
    finally:
        for hook in hooks:
            hook.remove()
    parameters = sum(p.numel() for p in network.parameters())
    return Summary(
        tally.depth, tally.width, parameters, tally.macs, tally.receptive_field, tally.stride
    )


def _first(value: int | tuple[int, ...]) -> int:
    return value if isinstance(value, int) else value[0]
