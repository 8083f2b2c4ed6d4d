"""Gradients of smooth activations, element by element: ``dx = f'(x) dy``."""

from __future__ import annotations

from collections.abc import Mapping
from math import pi, sqrt

import onnx_ir as ir

from edgecnn_exporters.gradient.masks import blend, positive
from edgecnn_exporters.gradient.rule import Backward

# ONNX, Selu: the defaults, which its schema rounds to float32.
_SELU_ALPHA, _SELU_GAMMA = 1.6732632423543772, 1.0507009873554805
# ONNX, Gelu with approximate = "tanh".
_GELU_CUBE = 0.044715


def sigmoid(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Sigmoid: ``dx = y (1 - y) dy``."""
    emit, y = back.emit, back.output
    return _times(back, emit("Mul", y, emit("Sub", 1.0, y)))


def tanh(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Tanh: ``dx = (1 - y^2) dy``."""
    emit, y = back.emit, back.output
    return _times(back, emit("Sub", 1.0, emit("Mul", y, y)))


def softplus(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Softplus, ``y = log(1 + exp(x))``: ``dx = sigmoid(x) dy``."""
    return _times(back, back.emit("Sigmoid", back.input(0)))


def softsign(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Softsign, ``y = x / (1 + |x|)``: ``dx = (1 - |y|)^2 dy``."""
    emit = back.emit
    root = emit("Sub", 1.0, emit("Abs", back.output))
    return _times(back, emit("Mul", root, root))


def swish(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Swish, ``y = x s`` with ``s = sigmoid(alpha x)``.

    ``dx = (s + alpha y (1 - s)) dy``. SiLU arrives as Sigmoid and Mul, which have their own rules.
    """
    emit = back.emit
    alpha = back.node.attributes.get_float("alpha", 1.0)
    gate = emit("Sigmoid", emit("Mul", back.input(0), alpha))
    bend = emit("Mul", emit("Mul", back.output, alpha), emit("Sub", 1.0, gate))
    return _times(back, emit("Add", gate, bend))


def mish(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Mish, ``y = x t`` with ``t = tanh(softplus(x))``.

    ``dx = (t + x (1 - t^2) sigmoid(x)) dy``; t is ``n / (n + 2)`` with ``n = e^x (e^x + 2)``.
    """
    emit, x = back.emit, back.input(0)
    # From 20 on t is 1 in single precision, and beyond 44 n would be infinite.
    power = emit("Exp", emit("Min", x, 20.0))
    share = emit("Mul", power, emit("Add", power, 2.0))
    gate = emit("Div", share, emit("Add", share, 2.0))
    bend = emit("Mul", emit("Sub", 1.0, emit("Mul", gate, gate)), emit("Sigmoid", x))
    return _times(back, emit("Add", gate, emit("Mul", x, bend)))


def elu(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Elu, ``y = alpha (exp(x) - 1)`` below 0: ``dx = (y + alpha) dy`` there."""
    alpha = back.node.attributes.get_float("alpha", 1.0)
    return _bent(back, back.emit("Add", back.output, alpha), alpha, 1.0)


def selu(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Selu: ``dx = gamma dy`` where ``x > 0``, else ``(y + gamma alpha) dy``."""
    alpha = back.node.attributes.get_float("alpha", _SELU_ALPHA)
    gamma = back.node.attributes.get_float("gamma", _SELU_GAMMA)
    bent = back.emit("Add", back.output, gamma * alpha)
    return _bent(back, bent, alpha * gamma, gamma)


def celu(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Celu, ``y = alpha (exp(x / alpha) - 1)`` below 0.

    ``dx = (y / alpha + 1) dy`` there, dy above.
    """
    alpha = back.node.attributes.get_float("alpha", 1.0)
    scaled = back.emit("Mul", back.output, 1 / alpha)
    return _bent(back, back.emit("Add", scaled, 1.0), 1.0, 1.0)


def gelu(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Gelu: ``y = x P(x)`` and ``dx = (P(x) + x P'(x)) dy``.

    ``P(x) = (1 + erf(x / sqrt 2)) / 2``; Hendrycks and Gimpel 2016, section 2. The approximation is
    ``P(x) = (1 + tanh u) / 2`` with ``u = sqrt(2 / pi) (x + 0.044715 x^3)``.
    """
    emit, x = back.emit, back.input(0)
    square = emit("Mul", x, x)
    if back.node.attributes.get_string("approximate", "none") == "tanh":
        scale = sqrt(2 / pi)
        cubic = emit("Add", emit("Mul", square, _GELU_CUBE), 1.0)
        bend = emit("Tanh", emit("Mul", emit("Mul", x, cubic), scale))
        steep = emit("Add", emit("Mul", square, 1.5 * scale * _GELU_CUBE), scale / 2)
        density = emit("Mul", emit("Sub", 1.0, emit("Mul", bend, bend)), steep)
    else:
        bend = emit("Erf", emit("Mul", x, sqrt(0.5)))
        density = emit("Mul", emit("Exp", emit("Mul", square, -0.5)), 1 / sqrt(2 * pi))
    share = emit("Add", emit("Mul", bend, 0.5), 0.5)
    return _times(back, emit("Add", share, emit("Mul", x, density)))


def _bent(back: Backward, below: ir.Value, curve: float, above: float) -> Mapping[int, ir.Value]:
    """``above dy`` where ``x > 0``, else ``below dy``; y has the sign of x if the curve rises."""
    sign = back.output if curve > 0 and above > 0 else back.input(0)
    return _times(back, blend(back.emit, positive(back.emit, sign), above, below))


def _times(back: Backward, slope: ir.Value) -> Mapping[int, ir.Value]:
    return {0: back.emit("Mul", back.gradient, slope)}
