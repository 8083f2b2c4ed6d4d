"""Conv, Gemm and MatMul with constant int8 weights: CONVOLUTION, DEPTHWISE or GROUPED."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import is_operator, is_set
from edgecnn_exporters.targets.native.errors import NoKernel
from edgecnn_exporters.targets.native.layers import Image, Layer, Window
from edgecnn_exporters.targets.native.reading import Operator, Reader
from edgecnn_exporters.targets.native.records import Code
from edgecnn_exporters.targets.native.values import Constant, Held, Result
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.encoding import Encoding

# plan.h: |bias| + K * 255 * 128 < 2^31, and that times |multiplier| < 2^31 - 2048.
LARGEST_SUM = 2**31
LARGEST_RESULT = 2.0**31 - 2048
MOST_PRODUCTS = 60_000  # of one sum, that the library takes
# What scales that were computed in another order may differ by, relatively.
ROUNDING = 1e-5


@dataclass(frozen=True)
class Product:
    """Weights and bias of a product of one 8-bit image.

    Attributes:
        weights: int8, (output channels, channels of one group, kernel height, kernel width).
        scale: (output channels,), of the weights.
        bias: int64, (output channels,), in steps of input scale times weight scale.
    """

    weights: Array
    scale: Float32
    bias: Array

    def layer(self, node: ir.Node, code: Code, source: Held, result: Image) -> Layer:
        """The layer, without its place among channels and without its window."""
        encoding = source.encoding
        sums = self.weights.astype(np.int64).reshape(len(self.weights), -1)
        bias = self.bias - encoding.zero_point * sums.sum(axis=1)
        multiplier = np.float32(encoding.scale) * self.scale
        own = result.encoding
        if own is not None:
            multiplier = multiplier / np.float32(own.scale)
        largest = np.abs(bias) + sums.shape[1] * 255 * 128
        is_large = largest.max() >= LARGEST_SUM or sums.shape[1] > MOST_PRODUCTS
        if is_large or (own and (largest * np.abs(multiplier)).max() >= LARGEST_RESULT):
            raise NoKernel(node, "its sums leave 32 bits")
        return Layer(
            code,
            (source.image.name,),
            result.name,
            source.channels.size,
            len(self.weights),
            weights=self.weights,
            bias=bias,
            multiplier=multiplier.astype(np.float32),
            zero_point=0 if own is None else own.zero_point,
        )

    def part(self, outputs: slice) -> Product:
        """Some of the output channels."""
        return Product(self.weights[outputs], self.scale[outputs], self.bias[outputs])


def conv(reader: Reader, node: ir.Node) -> None:
    """Conv over images."""
    source, product = reader.held(node), product_of(reader, node, 0)
    if product.weights.ndim != 4:
        raise NoKernel(node, f"its weight has {product.weights.ndim} axes, kernels take images")
    groups = node.attributes.get_int("group", 1)
    height, width = product.weights.shape[2:]
    window = window_of(node, (height, width))
    shape = node.outputs[0].shape
    assert shape is not None
    count, *size = (int(each) for each in shape.numpy()[1:])

    def layers(result: Image) -> tuple[Layer, ...]:
        written = _convolutions(reader, node, product, source, result, groups)
        return tuple(replace(layer, window=window) for layer in written)

    reader.keep(node, Result(node, (count, size[0], size[1]), layers, has_float=groups == 1))


def _convolutions(
    reader: Reader, node: ir.Node, product: Product, source: Held, result: Image, groups: int
) -> tuple[Layer, ...]:
    """The layers of a convolution in groups."""
    inputs, outputs = source.channels.size // groups, len(product.weights) // groups
    first = source.first
    if groups == 1:
        if first is None or first % 4:
            source, first = _whole(reader, source), 0
        layer = product.layer(node, Code.CONVOLUTION, source, result)
        return (replace(layer, first_channel=first),)
    source = _whole(reader, source)
    if inputs == outputs == 1:
        return (product.layer(node, Code.DEPTHWISE, source, result),)
    if inputs % 4 or outputs % 16:
        return (replace(product.layer(node, Code.GROUPED, source, result), groups=groups),)
    parts = [product.part(slice(at, at + outputs)) for at in range(0, groups * outputs, outputs)]
    return tuple(
        replace(
            part.layer(node, Code.CONVOLUTION, source, result),
            channels=inputs,
            first_channel=number * inputs,
            output_channel=number * outputs,
        )
        for number, part in enumerate(parts)
    )


def _whole(reader: Reader, source: Held) -> Held:
    image = reader.whole(source)
    return Held(image, np.arange(image.channels)[None])


def window_of(node: ir.Node, kernel: tuple[int, int]) -> Window:
    """The window of a Conv or pool."""
    strides, dilations, pads = (
        tuple(node.attributes.get_ints(name, default))
        for name, default in (("strides", (1, 1)), ("dilations", (1, 1)), ("pads", (0, 0, 0, 0)))
    )
    if node.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise NoKernel(node, "auto_pad leaves its pads open", "write them as pads")
    return Window(
        kernel, (strides[0], strides[1]), (dilations[0], dilations[1]), (pads[0], pads[1])
    )


def gemm(reader: Reader, node: ir.Node) -> None:
    """Gemm or MatMul of a vector: a convolution of one pixel, or over a whole image."""
    source = reader.held(node)
    is_matrix = is_operator(node, "MatMul")
    transposed = not is_matrix and is_set(node, "transB")
    factors = [node.attributes.get_float(name, 1.0) for name in ("alpha", "beta")]
    if factors != [1.0, 1.0] or is_set(node, "transA"):
        raise NoKernel(node, "it has alpha, beta or transA", "scale its weights instead")
    product = product_of(reader, node, 0 if transposed else 1)
    matrix = product.weights if transposed else product.weights.T
    height, width = source.image.size
    is_wide = height * width > 1
    if matrix.ndim != 2 or (is_wide and not (source.is_flat and source.is_whole)):
        raise NoKernel(node, "it multiplies every pixel, kernels multiply vectors", "use a Conv")
    size = (height, width) if is_wide else (1, 1)
    whole = replace(product, weights=matrix.reshape(len(matrix), -1, *size))

    def layers(result: Image) -> tuple[Layer, ...]:
        written = _convolutions(reader, node, whole, replace(source, is_flat=False), result, 1)
        return tuple(replace(layer, window=Window(size)) for layer in written)

    reader.keep(node, Result(node, (len(matrix), 1, 1), layers, has_float=True))


def product_of(reader: Reader, node: ir.Node, axis: int, groups: int = 1) -> Product:
    """Integer weights and bias of a node, output channels of the weight along `axis`.

    Args:
        groups: of input channels that each have these output channels and scales.

    Raises:
        NoKernel: the QDQ graph holds them in another way.
    """
    weight = reader.value(node, 1)
    if not isinstance(weight, Constant) or weight.integers is None or weight.scale is None:
        raise NoKernel(
            node,
            "its weight is float or computed, kernels take constant int8",
            "quantise this layer too, or leave the network to another target",
        )
    kind, point = weight.integers.dtype, weight.zero_point
    if kind != np.int8 or point or (weight.scale.size > 1 and weight.axis != axis):
        raise NoKernel(
            node,
            f"its weight is {kind} with zero point {point} and scales along axis {weight.axis}; "
            f"kernels take int8 with 0 and scales along axis {axis}",
            "quantise with edgecnn export --quantize int8",
        )
    channels = groups * weight.integers.shape[axis]
    scale = np.tile(weight.scale.reshape(-1), groups if weight.scale.size > 1 else 1)
    scale = np.broadcast_to(scale.astype(np.float32), (channels,))
    return Product(weight.integers, scale, _bias(reader, node, scale))


def _bias(reader: Reader, node: ir.Node, scale: Float32) -> Array:
    """The bias in integers, (channels,)."""
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return np.zeros(len(scale), np.int64)
    bias = reader.value(node, 2)
    assert isinstance(bias, Constant)
    units = np.float32(reader.held(node).encoding.scale) * scale
    if bias.integers is None or bias.scale is None:
        steps = np.rint(bias.reals.reshape(-1).astype(np.float64) / units)
        return np.broadcast_to(steps, scale.shape).astype(np.int64)
    if not np.allclose(bias.scale.reshape(-1), units, rtol=ROUNDING, atol=0):
        raise NoKernel(
            node,
            "its bias has another scale than its sums",
            "quantise with edgecnn export --quantize int8",
        )
    return np.broadcast_to(bias.integers.reshape(-1), scale.shape).astype(np.int64)


def ratio(encoding: Encoding, own: Encoding, count: int = 1) -> float:
    """``s_x / (count * s_y)`` in float32."""
    return float(np.float32(encoding.scale) / (np.float32(count) * np.float32(own.scale)))


OPERATORS: Mapping[str, Operator] = {"Conv": conv, "Gemm": gemm, "MatMul": gemm}
