"""Convolutions and poolings of a network by the names of their modules, and their geometry."""

from __future__ import annotations

import difflib
from typing import TypeAlias

from torch import nn

from edgecnn.backpropagation.convolution import Convolution, Pair
from edgecnn.backpropagation.pooling import Windows
from edgecnn.errors import LayerUnusable

Pooling: TypeAlias = nn.MaxPool2d | nn.AvgPool2d | nn.AdaptiveAvgPool2d
Layer: TypeAlias = nn.Conv2d | Pooling
KINDS = {
    nn.Conv2d: "convolution",
    nn.MaxPool2d: "max pooling",
    nn.AvgPool2d: "average pooling",
    nn.AdaptiveAvgPool2d: "average pooling",
}
# Names in one message.
NEAREST = 3


def find_layers(network: nn.Module) -> dict[str, Layer]:
    """The convolutions and poolings of a network, by the names of their modules in PyTorch."""
    return {name: module for name, module in network.named_modules() if isinstance(module, Layer)}


def kind_of(layer: Layer) -> str:
    """``convolution``, ``max pooling`` or ``average pooling``."""
    return next(words for kind, words in KINDS.items() if isinstance(layer, kind))


def find_layer(network: nn.Module, name: str, typed: str) -> Layer:
    """The layer of that name.

    Args:
        typed: NAME of the network on the command line.

    Raises:
        LayerUnusable: there is none, or it is something else; offers the nearest names.
    """
    layers, modules = find_layers(network), dict(network.named_modules())
    if name in layers:
        return layers[name]
    hint = f"edgecnn zoo {typed} --gradient list lists the layers"
    if name in modules and name:
        inner = [each for each in layers if each.startswith(f"{name}.")][:NEAREST]
        offer = f"take one in it: {', '.join(inner)}; " if inner else ""
        raise LayerUnusable(
            f"{name} of {typed} is a {type(modules[name]).__name__}, expected a convolution or a "
            f"pooling; {offer}{hint}"
        )
    near = difflib.get_close_matches(name, layers, NEAREST, 0.6)
    offer = f"did you mean {' or '.join(near)}? " if near else ""
    raise LayerUnusable(f"{typed} has no layer {name!r}; {offer}{hint}")


def geometry_of(layer: nn.Conv2d, name: str) -> Convolution:
    """Geometry of a convolution.

    Raises:
        LayerUnusable: it pads with anything but zeros.
    """
    if layer.padding_mode != "zeros":
        raise LayerUnusable(
            f"{name} pads with mode {layer.padding_mode!r}, expected 'zeros': the formulas are of "
            "zero padding; choose another layer"
        )
    # PyTorch keeps left, right, above, below; 'same' of an even kernel differs in the two.
    left, right, above, below = layer._reversed_padding_repeated_twice
    return Convolution(
        taps=_pair(layer.kernel_size),
        stride=_pair(layer.stride),
        padding=(above, below, left, right),
        dilation=_pair(layer.dilation),
        groups=layer.groups,
    )


def windows_of(layer: nn.MaxPool2d | nn.AvgPool2d) -> Windows:
    """Windows of a pooling."""
    dilation = _pair(layer.dilation) if isinstance(layer, nn.MaxPool2d) else (1, 1)
    return Windows(_pair(layer.kernel_size), _pair(layer.stride), _pair(layer.padding), dilation)


def _pair(value: int | tuple[int, ...]) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
