"""Sums, products and functions of one value: ADD, MULTIPLY, and tables of 256 entries."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import is_operator, scalar
from edgecnn_exporters.targets.native import tables
from edgecnn_exporters.targets.native.errors import NoKernel
from edgecnn_exporters.targets.native.layers import Image, Layer
from edgecnn_exporters.targets.native.reading import Operator, Reader
from edgecnn_exporters.targets.native.records import Code, FloatFunction
from edgecnn_exporters.targets.native.values import (
    HOLD,
    Constant,
    Function,
    Held,
    Result,
    Value,
    integer_bound,
)
from edgecnn_runtime.arrays import Array, Float32, UInt8
from edgecnn_runtime.encoding import Encoding

# The integers of one operand, and their encoding.
Operand = tuple[Array, Encoding]
Integers = Callable[[Array, Encoding, Array, Encoding, Encoding], UInt8]
KERNELS: Mapping[str, Integers] = {"Add": tables.sum_of, "Mul": tables.product_of}


def clip(reader: Reader, node: ir.Node) -> None:
    """Relu or Clip: bounds of the result before it, or a function."""
    low, high = _bounds(node)
    value = reader.value(node, 0)
    if isinstance(value, Result):
        reader.keep(node, value.clipped(low, high))
        return
    function = _function(reader, node, value)
    reals = np.clip(function.reals, np.float32(low), np.float32(high))
    integers = function.integers

    def clipped(encoding: Encoding) -> UInt8:
        assert integers is not None
        least, most = (integer_bound(bound, encoding) for bound in (low, high))
        return np.asarray(np.clip(integers(encoding), least, most), np.uint8)

    reader.keep(node, Function(function.held, reals, None if integers is None else clipped))


def _bounds(node: ir.Node) -> tuple[float, float]:
    if is_operator(node, "Relu"):
        return 0.0, math.inf
    bounds = []
    for index, default in ((1, -math.inf), (2, math.inf)):
        value = node.inputs[index] if len(node.inputs) > index else None
        bound = default if value is None else scalar(value)
        if bound is None:
            raise NoKernel(node, "its bounds are computed", "give them as constants")
        bounds.append(default if abs(bound) > 3e38 else bound)
    return bounds[0], bounds[1]


def unary(reader: Reader, node: ir.Node) -> None:
    """A function of one value."""
    value = reader.value(node, 0)
    if is_operator(node, "Sigmoid") and isinstance(value, Result):
        reader.keep(node, value.followed_by(node, FloatFunction.SIGMOID))
        return
    function = _function(reader, node, value)
    reals = tables.UNARY[node.op_type](node, function.reals).astype(np.float32)
    reader.keep(node, Function(function.held, reals))


def prelu(reader: Reader, node: ir.Node) -> None:
    """PRelu with one slope for all channels."""
    slope = scalar(node.inputs[1])
    if slope is None:
        raise NoKernel(node, "it has a slope for each channel, a table serves all", "use LeakyRelu")
    function = _function(reader, node, reader.value(node, 0))
    x = function.reals
    reader.keep(node, Function(function.held, np.where(x >= 0, x, np.float32(slope) * x)))


def _function(reader: Reader, node: ir.Node, value: Value) -> Function:
    """The value as a function of an image.

    Raises:
        NoKernel: it is none, such as the sums of a layer before they are rounded.
    """
    if isinstance(value, Function):
        return value
    if isinstance(value, Held):
        root, table = reader.root(value)
        return Function(root, value.encoding.dequantise(table))
    raise NoKernel(
        node,
        "what it reads is float and not held in 8 bits",
        HOLD,
    )


def binary(reader: Reader, node: ir.Node) -> None:
    """Sum, product and the like: of two images, or a function of one."""
    first, second = reader.value(node, 0), reader.value(node, 1)
    function = _joint(reader, node, first, second)
    if function is not None:
        reader.keep(node, function)
    elif is_operator(node, *KERNELS) and isinstance(first, Held) and isinstance(second, Held):
        write = _add if is_operator(node, "Add") else _multiply
        reader.keep(node, write(reader, node, first, second))
    else:
        raise NoKernel(
            node,
            "it joins two values that are not both held in 8 bits, or a constant for each channel",
            "write a factor or summand of each channel as a depthwise Conv",
        )


def _joint(reader: Reader, node: ir.Node, first: Value, second: Value) -> Function | None:
    """Both operands as one function of one image; None where they are of two."""
    sides = [_side(reader, node, value) for value in (first, second)]
    roots = [side[0] for side in sides if side is not None and side[0] is not None]
    if None in sides or not roots or not all(_is_same(roots[0], root) for root in roots):
        return None
    (_, a, left), (_, b, right) = (side for side in sides if side is not None)
    with np.errstate(all="ignore"):
        reals = np.broadcast_to(tables.BINARY[node.op_type](a, b), (256,)).astype(np.float32)
    if not np.isfinite(reals).all():
        raise NoKernel(node, "for some of the 256 values it is not finite")
    kernel = KERNELS.get(node.op_type)
    if kernel is None or left is None or right is None:
        return Function(roots[0], reals)
    known, ours, theirs = kernel, left, right

    def integers(encoding: Encoding) -> UInt8:
        result = known(ours[0], ours[1], theirs[0], theirs[1], encoding)
        return np.asarray(np.broadcast_to(result, (256,)), np.uint8)

    return Function(roots[0], reals, integers)


def _is_same(one: Held, other: Held) -> bool:
    return one.image.name == other.image.name and one.is_same_place(other)


def _side(
    reader: Reader, node: ir.Node, value: Value
) -> tuple[Held | None, Float32, Operand | None] | None:
    """An operand: image that it is a function of, its reals, and its integers where held."""
    if isinstance(value, Constant):
        if value.reals.size != 1:
            return None
        reals = value.reals.reshape(1).astype(np.float32)
        if value.integers is None or value.scale is None:
            return None, reals, None
        is_signed = value.integers.dtype == np.int8
        offset = 128 if is_signed else 0
        integers = value.integers.reshape(1).astype(np.int16) + offset
        return None, reals, (integers, Encoding(float(value.scale), value.zero_point + offset))
    if isinstance(value, Held):
        root, table = reader.root(value)
        return root, value.encoding.dequantise(table), (table, value.encoding)
    return (value.held, value.reals, None) if isinstance(value, Function) else None


def _add(reader: Reader, node: ir.Node, first: Held, second: Held) -> Result:
    """ADD of two images of one size."""
    images = [reader.whole(held) for held in (first, second)]
    sizes = [(image.channels, *image.size) for image in images]
    if sizes[0] != sizes[1] or first.is_flat != second.is_flat:
        raise NoKernel(node, f"it adds images of sizes {sizes[0]} and {sizes[1]}")
    channels = images[0].channels

    def layers(result: Image) -> tuple[Layer, ...]:
        assert result.encoding is not None
        x, y, rest = tables.add_factors(first.encoding, second.encoding, result.encoding)
        names = (images[0].name, images[1].name)
        layer = Layer(Code.ADD, names, result.name, channels, channels)
        return (replace(layer, factors=(float(x), float(y), float(rest))),)

    return Result(node, sizes[0], layers)


def _multiply(reader: Reader, node: ir.Node, first: Held, second: Held) -> Result:
    """MULTIPLY of two images of one size, or of an image and one factor for each channel."""
    if first.image.size == (1, 1):
        first, second = second, first
    images = [reader.whole(held) for held in (first, second)]
    is_gate = images[1].size == (1, 1) and images[0].size != (1, 1)
    if images[0].channels != images[1].channels or (
        not is_gate and images[0].size != images[1].size
    ):
        raise NoKernel(node, "it multiplies images of different sizes")
    channels = images[0].channels

    def layers(result: Image) -> tuple[Layer, ...]:
        own = result.encoding
        assert own is not None
        factor = tables.product_factor(first.encoding, second.encoding, own)
        names = (images[0].name, images[1].name)
        layer = Layer(Code.MULTIPLY, names, result.name, channels, channels, is_gate=is_gate)
        points = (first.encoding.zero_point, second.encoding.zero_point)
        factors = (float(factor), 0.0, float(own.zero_point))
        return (replace(layer, zero_points=points, factors=factors),)

    return Result(node, (channels, *images[0].size), layers)


OPERATORS: Mapping[str, Operator] = {
    "Clip": clip,
    "Relu": clip,
    "PRelu": prelu,
    **dict.fromkeys(tables.UNARY, unary),
    **dict.fromkeys(tables.BINARY, binary),
}
