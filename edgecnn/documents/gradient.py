"""JSON documents of ``edgecnn zoo NAME --gradient``: a layer's gradient, and the list of layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.backpropagation.layers import Layer


@dataclass(frozen=True)
class LayerFields:
    """A convolution or a pooling of a network.

    Attributes:
        layer: name of its module in PyTorch.
        kind: ``convolution``, ``max pooling`` or ``average pooling``.
        channels: that it reads and makes; null of a pooling, which keeps them.
        kernel: rows and columns of its kernel or window; null where it adapts to its input.
        stride: rows and columns; null likewise.
        padding: zeros above, below, left and right; null likewise.
        dilation: rows and columns; null likewise.
        groups: of the channels; null of a pooling.
    """

    layer: str
    kind: str
    channels: tuple[int, int] | None
    kernel: tuple[int, int] | None
    stride: tuple[int, int] | None
    padding: tuple[int, int, int, int] | None
    dilation: tuple[int, int] | None
    groups: int | None


@dataclass(frozen=True)
class TensorFields:
    """A tensor of the backward pass.

    Attributes:
        tensor: ``X``, ``F``, ``dL/dY``, ``dL/dX``, ``dL/dF`` or ``dL/db``.
        shape: without the batch.
        norm: Euclidean norm, over all channels.
    """

    tensor: str
    shape: tuple[int, ...]
    norm: float


@dataclass(frozen=True)
class LossFields:
    """Cross-entropy against the class that the network itself predicts.

    Attributes:
        target: index of the class.
        label: name of the class; null where it is unknown.
        probability: softmax of the class.
        value: ``-ln`` of the probability.
    """

    target: int
    label: str | None
    probability: float
    value: float


@dataclass(frozen=True)
class GradientDocument:
    """Gradient of a layer for one image.

    Attributes:
        network: as it was given.
        form: options of the network, such as its width.
        weights: name or path of its weights; ``random``; ``as built`` of a network of one's own.
        image: path, or the name of a photograph of edgecnn's.
        input_channel: the one that is drawn, from 0.
        output_channel: the one that is drawn, from 0.
        tensors: of the layer, input first.
        plot: path of the picture.
    """

    network: str
    form: Mapping[str, float | str]
    weights: str
    image: str
    loss: LossFields
    layer: LayerFields
    input_channel: int
    output_channel: int
    tensors: tuple[TensorFields, ...]
    plot: str


@dataclass(frozen=True)
class GradientLayersDocument:
    """Layers of a network whose gradient can be drawn.

    Attributes:
        network: as it was given.
        layers: convolutions and poolings, in the order of their modules.
    """

    network: str
    layers: tuple[LayerFields, ...]


def layer_fields(name: str, layer: Layer) -> LayerFields:
    """Fields of a layer of PyTorch.

    Raises:
        LayerUnusable: a convolution that pads with anything but zeros.
    """
    from torch import nn

    from edgecnn.backpropagation.layers import geometry_of, kind_of, windows_of

    kind = kind_of(layer)
    if isinstance(layer, nn.Conv2d):
        geometry = geometry_of(layer, name)
        return LayerFields(
            name,
            kind,
            (layer.in_channels, layer.out_channels),
            geometry.taps,
            geometry.stride,
            geometry.padding,
            geometry.dilation,
            geometry.groups,
        )
    if isinstance(layer, nn.AdaptiveAvgPool2d):
        return LayerFields(name, kind, None, None, None, None, None, None)
    windows = windows_of(layer)
    rows, columns = windows.padding
    padding = (rows, rows, columns, columns)
    return LayerFields(
        name, kind, None, windows.taps, windows.stride, padding, windows.dilation, None
    )
