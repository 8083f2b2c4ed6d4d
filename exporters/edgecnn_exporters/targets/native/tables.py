"""Tables of 256 entries: functions of one 8-bit value, as ONNX Runtime computes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from edgecnn_runtime.arrays import Array, Float32, UInt8
from edgecnn_runtime.encoding import LEVELS, Encoding

INTEGERS = np.arange(LEVELS + 1, dtype=np.uint8)
Unary = Callable[[ir.Node, Float32], Any]


def reals_of(encoding: Encoding) -> Float32:
    """The reals of the integers 0 … 255, (256,)."""
    return encoding.dequantise(INTEGERS)


def sum_of(a: Array, first: Encoding, b: Array, second: Encoding, result: Encoding) -> UInt8:
    """The sum of 8-bit values, as ADD of a plan and QLinearAdd of ONNX Runtime compute it.

    ``rint(fma(a, s_a / s_y, fma(b, s_b / s_y, c)))``, c taking up the zero points.
    """
    x, y, rest = add_factors(first, second, result)
    # A product of 8 and 24 bits is exact in float64, and so is nearly every sum.
    inner = (b.astype(np.float64) * float(y) + float(rest)).astype(np.float32)
    total = (a.astype(np.float64) * float(x) + inner).astype(np.float32)
    return np.asarray(np.clip(np.rint(total), 0, LEVELS).astype(np.uint8))


def add_factors(
    first: Encoding, second: Encoding, result: Encoding
) -> tuple[np.float32, np.float32, np.float32]:
    """The factors of a sum: both ratios of scales, and the constant of the zero points.

    The constant is ``z_y - fma(r_a, z_a, r_b * z_b)``: ONNX Runtime's compiler fuses that product,
    and a result in 100,000 depends on it.
    """
    own = np.float32(result.scale)
    x, y = np.float32(first.scale) / own, np.float32(second.scale) / own
    other = float(y * np.float32(second.zero_point))
    shift = np.float32(float(x) * first.zero_point + other)
    return x, y, np.float32(result.zero_point) - shift


def product_of(a: Array, first: Encoding, b: Array, second: Encoding, result: Encoding) -> UInt8:
    """The product of 8-bit values, as MULTIPLY of a plan and QLinearMul compute it."""
    products = (a.astype(np.int32) - first.zero_point) * (b.astype(np.int32) - second.zero_point)
    factor = product_factor(first, second, result)
    scaled = products.astype(np.float32) * factor + np.float32(result.zero_point)
    return np.asarray(np.clip(np.rint(scaled), 0, LEVELS).astype(np.uint8))


def product_factor(first: Encoding, second: Encoding, result: Encoding) -> np.float32:
    """``s_a s_b / s_y`` in float32."""
    return np.float32(np.float32(first.scale) * np.float32(second.scale)) / np.float32(result.scale)


def _sigmoid(x: Float32) -> Any:
    exact = x.astype(np.float64)
    return 1.0 / (1.0 + np.exp(-exact))


def _erf(x: Float32) -> Array:
    return np.array([math.erf(each) for each in x.tolist()])


def _attribute(node: ir.Node, name: str, default: float) -> np.float32:
    return np.float32(node.attributes.get_float(name, default))


def _hard_sigmoid(node: ir.Node, x: Float32) -> Any:
    alpha, beta = _attribute(node, "alpha", 0.2), _attribute(node, "beta", 0.5)
    return np.clip(alpha * x + beta, np.float32(0), np.float32(1))


def _hard_swish(node: ir.Node, x: Float32) -> Any:
    sixth = np.float32(1 / 6)
    return x * np.clip(sixth * x + np.float32(0.5), np.float32(0), np.float32(1))


def _elu(node: ir.Node, x: Float32) -> Any:
    alpha = _attribute(node, "alpha", 1.0)
    return np.where(x > 0, x, alpha * np.expm1(x.astype(np.float64)))


def _selu(node: ir.Node, x: Float32) -> Any:
    alpha, gamma = _attribute(node, "alpha", 1.6732632), _attribute(node, "gamma", 1.0507010)
    return gamma * np.where(x > 0, x, alpha * np.expm1(x.astype(np.float64)))


def _gelu(node: ir.Node, x: Float32) -> Any:
    exact = x.astype(np.float64)
    if node.attributes.get_string("approximate", "none") == "tanh":
        return 0.5 * exact * (1 + np.tanh(math.sqrt(2 / math.pi) * (exact + 0.044715 * exact**3)))
    return 0.5 * exact * (1 + _erf((exact / math.sqrt(2)).astype(np.float32)))


def _softplus(x: Float32) -> Any:
    return np.logaddexp(0.0, x.astype(np.float64))


UNARY: Mapping[str, Unary] = {
    "Abs": lambda node, x: np.abs(x),
    "Elu": _elu,
    "Erf": lambda node, x: _erf(x),
    "Exp": lambda node, x: np.exp(np.minimum(x.astype(np.float64), 80.0)),
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "LeakyRelu": lambda node, x: np.where(x >= 0, x, _attribute(node, "alpha", 0.01) * x),
    "Mish": lambda node, x: x * np.tanh(_softplus(x)),
    "Neg": lambda node, x: -x,
    "Selu": _selu,
    "Sigmoid": lambda node, x: _sigmoid(x),
    "Softplus": lambda node, x: _softplus(x),
    "Softsign": lambda node, x: x / (np.float32(1) + np.abs(x)),
    "Sqrt": lambda node, x: np.sqrt(np.maximum(x, np.float32(0))),
    "Swish": lambda node, x: x * _sigmoid(_attribute(node, "alpha", 1.0) * x),
    "Tanh": lambda node, x: np.tanh(x.astype(np.float64)),
}
BINARY: Mapping[str, Callable[[Array, Array], Array]] = {
    "Add": np.add,
    "Div": np.divide,
    "Max": np.maximum,
    "Min": np.minimum,
    "Mul": np.multiply,
    "Pow": np.power,
    "Sub": np.subtract,
}
