"""Functions across channels: LRN, Softmax; and what follows the float result of the last sums."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.targets.native.errors import NoKernel
from edgecnn_exporters.targets.native.layers import Image, Layer
from edgecnn_exporters.targets.native.operators.moving import shape_of
from edgecnn_exporters.targets.native.reading import Operator, Reader, reals_layer
from edgecnn_exporters.targets.native.records import Code, FloatFunction
from edgecnn_exporters.targets.native.values import Held, Result, function_layer
from edgecnn_runtime.encoding import LEVELS, Encoding

# Of a fourth root, which the library multiplies so often to take a power.
MOST_ROOTS = 8
# What ONNX Runtime's QLinearSoftmax scales exponentials by, divided by the channels at the most.
LARGEST_SUM, LARGEST_EXPONENTIAL = 2**32 - 1, 0x7FFFFF


def response_norm(reader: Reader, node: ir.Node) -> None:
    """LRN: every value over a power of the sum of squares around it."""
    held = reader.held(node)
    source, encoding = reader.whole(held), held.encoding
    channels, size = source.channels, node.attributes.get_int("size", 1)
    alpha, beta, bias = (
        node.attributes.get_float(name, default)
        for name, default in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0))
    )
    roots = round(4 * beta)
    is_power = math.isclose(roots, 4 * beta, rel_tol=1e-6) and 1 <= roots <= MOST_ROOTS
    if not is_power or bias <= 0 or alpha < 0 or held.is_flat:
        raise NoKernel(
            node,
            f"it has beta {beta:g}, alpha {alpha:g} and bias {bias:g}; kernels take a beta of "
            "quarters up to 2, no negative alpha and a bias above 0",
        )

    def layers(result: Image) -> tuple[Layer, ...]:
        own = result.encoding
        assert own is not None
        layer = Layer(Code.RESPONSE_NORM, (source.name,), result.name, channels, channels)
        return (
            replace(
                layer,
                flags=roots,
                groups=size,
                zero_point=own.zero_point,
                zero_points=(encoding.zero_point, 0),
                factors=(encoding.scale / own.scale, bias, alpha / size * encoding.scale**2),
            ),
        )

    reader.keep(node, Result(node, (channels, *source.size), layers))


def softmax(reader: Reader, node: ir.Node) -> None:
    """Softmax or LogSoftmax over the channels of each pixel."""
    value, shape = reader.value(node, 0), shape_of(node.inputs[0])
    axis = node.attributes.get_int("axis", -1) % len(shape)
    if axis != 1 or len(shape) not in (2, 4) or (isinstance(value, Held) and value.is_flat):
        raise NoKernel(node, f"it is over axis {axis} of {list(shape)}, kernels take channels")
    is_log = node.op_type == "LogSoftmax"
    function = FloatFunction.LOG_SOFTMAX if is_log else FloatFunction.SOFTMAX
    if isinstance(value, Result):
        reader.keep(node, value.followed_by(node, function))
        return
    held = reader.held(node)
    source, encoding = reader.whole(held), held.encoding

    def layers(result: Image) -> tuple[Layer, ...]:
        if result.encoding is None:
            return reals_layer(source, encoding, result), function_layer(function, result)
        if is_log:
            raise NoKernel(node, "its result is held in 8 bits, which no kernel computes")
        return (_in_integers(source, encoding, result, result.encoding),)

    reader.keep(node, Result(node, (source.channels, *source.size), layers, has_float=True))


def _in_integers(source: Image, encoding: Encoding, result: Image, own: Encoding) -> Layer:
    """SOFTMAX by ONNX Runtime's table: exponentials below the largest value, in steps of both."""
    channels = source.channels
    most = min(LARGEST_SUM / channels, LARGEST_EXPONENTIAL)
    below = np.float64(np.float32(encoding.scale)) * np.arange(-LEVELS, 1)
    layer = Layer(Code.SOFTMAX, (source.name,), result.name, channels, channels)
    return replace(
        layer,
        index=np.rint(most * np.exp(below)),
        zero_point=own.zero_point,
        factors=(float(round(1 / own.scale)), 0.0, 0.0),
    )


OPERATORS: Mapping[str, Operator] = {
    "LRN": response_norm,
    "LogSoftmax": softmax,
    "Softmax": softmax,
}
