"""Concatenation in place: parts of a wider image are written into it, and nothing is copied."""

from __future__ import annotations

from dataclasses import replace

from edgecnn_exporters.targets.native.layers import Image, IntegerNetwork, Layer, Role
from edgecnn_exporters.targets.native.packing import LANES
from edgecnn_exporters.targets.native.records import Code


def join_in_place(network: IntegerNetwork) -> IntegerNetwork:
    """An image that a COPY moves whole becomes the channels of the wider one that it moves it to.

    Left alone: what begins between multiples of 16 channels, inputs and outputs, what is moved
    through a table or twice to one image, and second factors or summands, which have no first
    channel. Layers write channels by 16: where a part ends between, those behind it must be
    written later.
    """
    layers, images = list(network.layers), dict(network.images)
    while copy := next((each for each in layers if _is_joined(each, layers, images)), None):
        layers.remove(copy)
        part, place = copy.inputs[0], copy.output_channel
        layers = [_moved(layer, part, copy.output, place) for layer in layers]
        del images[part]
    return replace(network, images=images, layers=tuple(layers))


def _is_joined(copy: Layer, layers: list[Layer], images: dict[str, Image]) -> bool:
    part = images[copy.inputs[0]]
    if copy.code is not Code.COPY or copy.table is not None or part.role is not Role.INNER:
        return False
    twins = [each for each in layers if each.inputs == copy.inputs and each.output == copy.output]
    return (
        copy.output_channel % LANES == 0
        and (copy.first_channel, copy.channels) == (0, part.channels)
        and len(twins) == 1
        and not any(part.name in layer.inputs[1:] for layer in layers)
        and _is_written_first(copy, layers)
    )


def _is_written_first(copy: Layer, layers: list[Layer]) -> bool:
    """Whether a part is written before what lies behind it, and before the whole is read."""
    part, whole = copy.inputs[0], copy.output
    end = copy.output_channel + copy.channels
    last = max(number for number, layer in enumerate(layers) if layer.output == part)
    readers = [number for number, layer in enumerate(layers) if whole in layer.inputs]
    behind = [
        number
        for number, layer in enumerate(layers)
        if layer.output == whole and layer.output_channel >= end and end % LANES
    ]
    return last < min([*readers, *behind], default=len(layers))


def _moved(layer: Layer, part: str, whole: str, place: int) -> Layer:
    if layer.inputs[0] == part:
        inputs = (whole, *layer.inputs[1:])
        layer = replace(layer, inputs=inputs, first_channel=layer.first_channel + place)
    if layer.output == part:
        layer = replace(layer, output=whole, output_channel=layer.output_channel + place)
    return layer
