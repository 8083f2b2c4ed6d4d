"""Reader of a QDQ graph: its integer layers, one by one, in the graph's order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.targets.native.errors import NoKernel
from edgecnn_exporters.targets.native.layers import Image, Layer
from edgecnn_exporters.targets.native.rearranging import rearrange
from edgecnn_exporters.targets.native.records import Code
from edgecnn_exporters.targets.native.tables import INTEGERS, reals_of
from edgecnn_exporters.targets.native.values import (
    HOLD,
    Constant,
    Function,
    Held,
    Moved,
    Result,
    Value,
    integer_bound,
)
from edgecnn_runtime.arrays import UInt8
from edgecnn_runtime.encoding import Encoding

Operator = Callable[["Reader", ir.Node], None]


class Reader:
    """Images, layers and values by name, while the nodes of a graph are read."""

    def __init__(self, graph: ir.Graph) -> None:
        self.images: dict[str, Image] = {}
        self.layers: list[Layer] = []
        self.values: dict[str, Value] = {}
        # Images that join parts, by name and channels of each.
        self.joined: dict[tuple[tuple[str, bytes], ...], Image] = {}
        # Images that are a table of another: that one, and the table.
        self._roots: dict[str, tuple[Image, UInt8]] = {}
        self._taken = {str(value.name) for value in (*graph.inputs, *graph.outputs)}

    # Values.

    def value(self, node: ir.Node, index: int) -> Value:
        """What an input of the node is; an image where its values have been moved."""
        found = self.unarranged(node, index)
        if isinstance(found, Moved):
            source = node.inputs[index]
            assert source is not None
            found = self.values[str(source.name)] = self.arranged(node, found)
        return found

    def unarranged(self, node: ir.Node, index: int = 0) -> Value:
        """What an input of the node is, also values in an order that no image has yet."""
        source = node.inputs[index]
        assert source is not None
        known = self.values.get(str(source.name))
        if known is not None:
            return known
        array = constant(source)
        if array is None:
            raise NoKernel(node, f"it reads {source.name}, which no node computes")
        return Constant(array)

    def held(self, node: ir.Node, index: int = 0) -> Held:
        """An input of the node, which must be held in 8 bits.

        Raises:
            NoKernel: it is float.
        """
        found = self.value(node, index)
        if not isinstance(found, Held):
            source = node.inputs[index]
            assert source is not None
            raise NoKernel(
                node,
                f"its input {source.name} is float there, kernels read 8 bits",
                HOLD,
            )
        return found

    def keep(self, node: ir.Node, value: Value, index: int = 0) -> None:
        """Record an output of the node."""
        self.values[str(node.outputs[index].name)] = value

    def root(self, held: Held) -> tuple[Held, UInt8]:
        """The image that this one is a function of, itself at the last, and the table."""
        image, table = held.image, INTEGERS
        while image.name in self._roots:
            image, outer = self._roots[image.name]
            table = table[outer]
        return replace(held, image=image), table

    # Images and layers.

    def name(self, wanted: str) -> str:
        """A name that no other image has."""
        name, number = wanted, 0
        while name in self._taken:
            number += 1
            name = f"{wanted}.{number}"
        self._taken.add(name)
        return name

    def image(self, name: str, size: tuple[int, int, int], encoding: Encoding) -> Image:
        """A new image inside the network."""
        image = Image(self.name(name), *size, encoding)
        self.images[image.name] = image
        return image

    def add(self, *layers: Layer) -> None:
        """Record layers in order of execution."""
        self.layers.extend(layers)

    def whole(self, held: Held) -> Image:
        """An image with just the channels that are read, in their order."""
        if held.is_whole:
            return held.image
        count = held.channels.size
        size = (count, held.image.height, held.image.width)
        image = self.image(f"{held.image.name}.channels", size, held.encoding)
        self.add(select(held, image))
        return image

    def arranged(self, node: ir.Node, moved: Moved) -> Held:
        """An image whose values lie in the order that they were moved to.

        Raises:
            NoKernel: no kernel brings them there.
        """
        index, before = moved.index, moved.held.image
        size = index.shape[-2:] if index.ndim >= 4 else (1, 1)
        flat = index.reshape(-1, *size)
        lead = np.arange(len(flat)).reshape(index.shape[:-2] if index.ndim >= 4 else index.shape)
        name, (channels, height, width) = self.name(f"{before.name}.moved"), flat.shape
        image = Image(name, channels, height, width, moved.held.encoding)
        layer = rearrange(before, image, flat)
        if layer is None:
            raise NoKernel(node, f"it makes {index.shape} of pixels of other places")
        if layer.code is Code.CHANNELS and layer.window.is_point:
            assert layer.index is not None
            return Held(before, layer.index.reshape(lead.shape))
        self.images[image.name] = image
        self.add(layer)
        return Held(image, lead)

    def requantised(self, held: Held, encoding: Encoding) -> Held:
        """The same values in another encoding."""
        if same(held.encoding, encoding):
            return held
        return self.tabled(Function(held, reals_of(held.encoding)), encoding, held.image.name)

    def tabled(self, function: Function, encoding: Encoding, name: str) -> Held:
        """An image of a function of another, every channel of it."""
        held, table = function.held, function.quantise(encoding)
        before = held.image
        image = self.image(name, (before.channels, *before.size), encoding)
        self._roots[image.name] = (before, table)
        channels = before.channels
        self.add(Layer(Code.TABLE, (before.name,), image.name, channels, channels, table=table))
        return replace(held, image=image)

    def rounded(self, result: Result, encoding: Encoding, name: str) -> Held:
        """An image that holds a result in an encoding."""
        image = self.image(name, result.size, encoding)
        low, high = (integer_bound(bound, encoding) for bound in (result.low, result.high))
        self.add(
            *[
                replace(layer, low=max(low, layer.low), high=min(high, layer.high))
                for layer in result.layers(image)
            ]
        )
        return Held(image, np.arange(image.channels)[None])


def reals_layer(source: Image, encoding: Encoding, result: Image) -> Layer:
    """The layer that writes the reals of an image to an output."""
    return Layer(
        Code.DEQUANTISE,
        (source.name,),
        result.name,
        source.channels,
        source.channels,
        zero_points=(encoding.zero_point, 0),
        factors=(encoding.scale, 0.0, 0.0),
    )


def select(held: Held, image: Image, place: int = 0) -> Layer:
    """The layer that copies the channels that are read into an image, from channel `place` on."""
    count, first = held.channels.size, held.first
    if first is not None:
        return Layer(
            Code.COPY,
            (held.image.name,),
            image.name,
            count,
            count,
            first_channel=first,
            output_channel=place,
        )
    return Layer(
        Code.CHANNELS,
        (held.image.name,),
        image.name,
        held.image.channels,
        count,
        output_channel=place,
        index=held.channels.reshape(-1),
    )


def same(first: Encoding, second: Encoding) -> bool:
    """Whether two encodings give the same integers."""
    return (
        np.float32(first.scale) == np.float32(second.scale)
        and first.zero_point == second.zero_point
    )
