"""Borders of a QDQ graph's integers: QuantizeLinear, DequantizeLinear, inputs and outputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.targets.native.errors import NoKernel
from edgecnn_exporters.targets.native.layers import Image, Layer, Role
from edgecnn_exporters.targets.native.reading import Reader, reals_layer, same
from edgecnn_exporters.targets.native.records import Code
from edgecnn_exporters.targets.native.values import Constant, Fed, Function, Held, Moved, Result
from edgecnn_runtime.encoding import Encoding


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
    found, encoding = reader.unarranged(node), encoding_of(node)
    name = str(source.name).removesuffix(".float")
    if isinstance(found, Moved) and same(found.held.encoding, encoding):
        reader.keep(node, found)
    elif isinstance(found, Held | Moved):
        reader.keep(node, reader.requantised(reader.held(node), encoding))
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
        value = reader.unarranged(node)
        held = value.held if isinstance(value, Moved) else reader.held(node)
        if not same(held.encoding, encoding_of(node)):
            raise NoKernel(node, "it reads another encoding than the QuantizeLinear before it made")
        reader.keep(node, value)
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
        UnsupportedModel: it is no float image or vector, or its batch is fixed to more than one.
    """
    given = list(value.shape or ())
    sizes = [size for size in given if isinstance(size, int)]
    if len(given) not in (2, 4) or sizes != given or sizes[0] != 1:
        raise UnsupportedModel(
            f"input {value.name} has shape {given} for a batch of one; plans read images "
            "(1, C, H, W) and vectors (1, C): export with --batch dynamic and --input"
        )
    if value.dtype is not ir.DataType.FLOAT:
        raise UnsupportedModel(f"input {value.name} is {value.dtype}; plans read float32")
    channels, height, width = (*sizes[1:], 1, 1)[:3]
    image = Image(str(value.name), channels, height, width, None, Role.INPUT, len(sizes) == 2)
    reader.images[image.name] = image
    reader.values[image.name] = Fed(image)


def leave(reader: Reader, value: ir.Value) -> str:
    """Write an output of the network; the name of its image."""
    found = reader.values.get(str(value.name))
    rank = len(value.shape or ())
    is_vector = rank == 2
    node = value.producer()
    if node is None or found is None:
        raise UnsupportedModel(f"output {value.name} is a constant; plans write what they compute")
    if isinstance(found, Held) and found.is_flat and is_vector:
        found = Moved.of(found, (1, found.channels.size * found.image.height * found.image.width))
    if isinstance(found, Moved):
        found = reader.arranged(node, found)
    size = found.size[1:] if isinstance(found, Result) else (1, 1)
    if isinstance(found, Held | Fed | Function):
        size = (found.held if isinstance(found, Function) else found).image.size
    if rank not in (2, 4) or (is_vector and size != (1, 1)):
        raise NoKernel(node, f"its result of {rank} axes is no image (1, C, H, W) or vector (1, C)")
    if isinstance(found, Held):
        source = reader.whole(found)
        image = Image(str(value.name), source.channels, *source.size, None, Role.OUTPUT, is_vector)
        layers: tuple[Layer, ...] = (reals_layer(source, found.encoding, image),)
    elif isinstance(found, Function):
        source = reader.whole(found.held)
        image = Image(str(value.name), source.channels, *source.size, None, Role.OUTPUT, is_vector)
        reals = found.reals.astype(np.float32).view(np.uint32)
        layers = (replace(reals_layer(source, found.held.encoding, image), index=reals),)
    elif isinstance(found, Result) and found.has_float:
        image = Image(str(value.name), *found.size, None, Role.OUTPUT, is_vector)
        layers = found.in_float(image)
    else:
        raise NoKernel(node, "its float result leaves the network, kernels compute 8 bits there")
    reader.images[image.name] = image
    reader.add(*layers)
    return image.name
