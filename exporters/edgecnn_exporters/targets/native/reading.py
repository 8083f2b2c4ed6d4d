"""Reader of a QDQ graph: its integer layers, one by one, in the graph's order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.targets.native.errors import NoKernel
from edgecnn_exporters.targets.native.layers import Image, IntegerNetwork, Layer, Role
from edgecnn_exporters.targets.native.records import Code
from edgecnn_exporters.targets.native.tables import INTEGERS, reals_of
from edgecnn_exporters.targets.native.values import (
    Constant,
    Fed,
    Function,
    Held,
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
        # Images that are a table of another: that one, and the table.
        self._roots: dict[str, tuple[Image, UInt8]] = {}
        self._taken = {str(value.name) for value in (*graph.inputs, *graph.outputs)}

    # Values.

    def value(self, node: ir.Node, index: int) -> Value:
        """What an input of the node is."""
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
                "quantise the layers around it too, or leave the network to another target",
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


def encoding_of(node: ir.Node) -> Encoding:
    """The 8-bit encoding of a QuantizeLinear or DequantizeLinear, in unsigned form.

    Raises:
        NoKernel: it has other bits, or several scales.
    """
    scale = constant(node.inputs[1])
    zero = constant(node.inputs[2]) if len(node.inputs) > 2 else np.zeros((), np.uint8)
    if scale is None or zero is None or scale.size != 1 or zero.dtype not in (np.int8, np.uint8):
        kind = None if zero is None else zero.dtype
        shape = None if scale is None else scale.shape
        raise NoKernel(
            node,
            f"it holds {kind} with a scale of shape {shape}, kernels compute with 8 bits and one "
            "scale a tensor",
            "quantise with edgecnn export --quantize int8",
        )
    offset = 128 if zero.dtype == np.int8 else 0
    return Encoding(float(scale.reshape(())), int(zero.reshape(())) + offset)


def quantise(reader: Reader, node: ir.Node) -> None:
    """QuantizeLinear: what it reads becomes an image of its encoding."""
    source = node.inputs[0]
    assert source is not None
    found, encoding = reader.value(node, 0), encoding_of(node)
    name = str(source.name).removesuffix(".float")
    if isinstance(found, Held):
        reader.keep(node, reader.requantised(found, encoding))
    elif isinstance(found, Function):
        reader.keep(node, reader.tabled(found, encoding, name))
    elif isinstance(found, Result):
        reader.keep(node, reader.rounded(found, encoding, name))
    elif isinstance(found, Fed):
        fed = found.image
        image = reader.image(f"{name}.quantised", (fed.channels, *fed.size), encoding)
        reader.add(
            Layer(
                Code.QUANTISE,
                (fed.name,),
                image.name,
                fed.channels,
                fed.channels,
                zero_point=encoding.zero_point,
                factors=(encoding.scale, 0.0, 0.0),
            )
        )
        reader.keep(node, Held(image, np.arange(fed.channels)[None]))
    else:
        raise NoKernel(node, f"{source.name} is a constant that only this node holds in 8 bits")


def dequantise(reader: Reader, node: ir.Node) -> None:
    """DequantizeLinear: an image stays one, integers become a constant."""
    source = node.inputs[0]
    array = constant(source)
    if array is None:
        reader.keep(node, reader.held(node))
        return
    scale = constant(node.inputs[1])
    zero = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    assert scale is not None
    axis = node.attributes.get_int("axis", 1)
    shape = [1] * array.ndim
    if scale.size > 1:
        shape[axis] = -1
    point = 0 if zero is None else int(zero.reshape(-1)[0])
    reals = (array.astype(np.int32) - point).astype(np.float32) * scale.reshape(shape)
    reader.keep(node, Constant(reals, array, scale, point, axis))


def feed(reader: Reader, value: ir.Value) -> None:
    """Record an input of the network.

    Raises:
        NoKernel: it is no image and no vector.
    """
    sizes = tuple(value.shape.numpy()) if value.shape is not None else ()
    if len(sizes) not in (2, 4) or sizes[0] != 1:
        raise ValueError(sizes)
    channels, height, width = (*sizes[1:], 1, 1)[:3]
    image = Image(str(value.name), channels, height, width, None, Role.INPUT, len(sizes) == 2)
    reader.images[image.name] = image
    reader.values[image.name] = Fed(image)


def leave(reader: Reader, value: ir.Value) -> str:
    """Write an output of the network; the name of its image."""
    found = reader.values[str(value.name)]
    is_vector = value.shape is not None and len(value.shape) == 2
    node = value.producer()
    assert node is not None
    if isinstance(found, Held) and (found.image.size == (1, 1) or not found.is_flat):
        source = reader.whole(found)
        encoding = found.encoding
        image = Image(str(value.name), source.channels, *source.size, None, Role.OUTPUT, is_vector)
        layers: tuple[Layer, ...] = (
            Layer(
                Code.DEQUANTISE,
                (source.name,),
                image.name,
                source.channels,
                source.channels,
                zero_points=(encoding.zero_point, 0),
                factors=(encoding.scale, 0.0, 0.0),
            ),
        )
    elif isinstance(found, Result) and found.has_float and not is_clipped(found):
        image = Image(str(value.name), *found.size, None, Role.OUTPUT, is_vector)
        layers = found.layers(image)
    else:
        raise NoKernel(node, "its float result leaves the network, kernels compute 8 bits there")
    reader.images[image.name] = image
    reader.add(*layers)
    return image.name


def is_clipped(result: Result) -> bool:
    """Whether a Relu or Clip bounds the result."""
    return np.isfinite(result.low) or bool(np.isfinite(result.high))


def network_of(graph: ir.Graph, operators: dict[str, Operator]) -> IntegerNetwork:
    """The layers of a QDQ graph of batch 1.

    Raises:
        NoKernel: a node has no kernel.
    """
    reader = Reader(graph)
    for value in graph.inputs:
        feed(reader, value)
    for node in graph:
        operator = operators.get(node.op_type) if node.domain == "" else None
        if operator is None:
            raise NoKernel(node, "the operator is unknown there")
        operator(reader, node)
    outputs = tuple(leave(reader, value) for value in graph.outputs)
    inputs = tuple(str(value.name) for value in graph.inputs)
    return IntegerNetwork(reader.images, tuple(reader.layers), inputs, outputs)
