"""Gradients of normalisations by the moments of an input's own values.

With ``z = (x - mean) / sqrt(variance + epsilon)`` over some axes and g the gradient of z:
``dx = (g - mean of g - z mean of (g z)) / sqrt(variance + epsilon)``, means over the same axes.
Ioffe and Szegedy 2015, section 3, differentiates it step by step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from edgecnn_exporters.gradient.broadcast import sum_to_input
from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.gradient.rule import Backward
from edgecnn_exporters.gradient.rules.moves import shape_operand


@dataclass(frozen=True)
class Normalised:
    """Values with mean 0 and variance 1 over some axes.

    Attributes:
        values: z of the module's formula.
        steepness: ``1 / sqrt(variance + epsilon)``, the axes of size 1.
    """

    values: ir.Value
    steepness: ir.Value
    axes: list[int]


def layer_norm(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of LayerNormalization, ``y = z scale + bias`` over the axes from `axis` on.

    ``dscale = sum of z dy``, ``dbias = sum of dy``; g is ``scale dy``.
    """
    if any(gradient is not None for gradient in back.gradients[1:]):
        raise back.refused("its mean or deviation leads to the loss")
    emit, dy, count = back.emit, back.gradient, len(back.shape())
    first = back.node.attributes.get_int("axis", -1) % count
    normal = _normalise(back, back.input(0), list(range(first, count)))
    result: dict[int, ir.Value] = {}
    if 0 in back.wanted:
        result[0] = _through(emit, normal, emit("Mul", dy, back.input(1)))
    if 1 in back.wanted:
        result[1] = sum_to_input(back, emit("Mul", dy, normal.values), 1)
    if 2 in back.wanted:
        result[2] = sum_to_input(back, dy, 2)
    return result


def instance_norm(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of InstanceNormalization: z over the pixels of each channel, x (N, C, …).

    ``dscale = sum of z dy`` and ``dbias = sum of dy`` over N and the pixels, each (C,).
    """
    emit, dy, count = back.emit, back.gradient, len(back.shape())
    normal = _normalise(back, back.input(0), list(range(2, count)))
    result = _of_channels(back, normal.values, [0, *range(2, count)])
    if 0 in back.wanted:
        scale = emit("Reshape", back.input(1), [-1, *[1] * (count - 2)])
        result[0] = _through(emit, normal, emit("Mul", dy, scale))
    return result


def group_norm(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of GroupNormalization: z over a group's channels and pixels, x (N, C, …).

    Scale and bias are (C,), as of opset 21; ONNX has withdrawn the form of opset 18.
    """
    emit, dy, count = back.emit, back.gradient, len(back.shape())
    groups = back.node.attributes.get_int("num_groups", 1)
    if back.shape(1) != back.shape()[1:2]:
        raise back.refused("it has no scale for each channel; convert it to opset 21")
    normal = _normalise(back, emit("Reshape", back.input(0), [0, groups, -1]), [2])
    own = shape_operand(back, 0)
    result = _of_channels(back, emit("Reshape", normal.values, own), [0, *range(2, count)])
    if 0 in back.wanted:
        scale = emit("Reshape", back.input(1), [-1, *[1] * (count - 2)])
        grouped = emit("Reshape", emit("Mul", dy, scale), [0, groups, -1])
        result[0] = emit("Reshape", _through(emit, normal, grouped), own)
    return result


def _of_channels(back: Backward, values: ir.Value, axes: list[int]) -> dict[int, ir.Value]:
    """Gradients of a scale and a bias, (C,) each, summed over all other axes."""
    emit, dy = back.emit, back.gradient
    result: dict[int, ir.Value] = {}
    if 1 in back.wanted:
        result[1] = emit("ReduceSum", emit("Mul", dy, values), axes, keepdims=0)
    if 2 in back.wanted:
        result[2] = emit("ReduceSum", dy, axes, keepdims=0)
    return result


def _normalise(back: Backward, x: ir.Value, axes: list[int]) -> Normalised:
    emit, epsilon = back.emit, back.node.attributes.get_float("epsilon", 1e-5)
    centred = emit("Sub", x, emit("ReduceMean", x, axes, keepdims=1))
    variance = emit("ReduceMean", emit("Mul", centred, centred), axes, keepdims=1)
    steepness = emit("Reciprocal", emit("Sqrt", emit("Add", variance, epsilon)))
    return Normalised(emit("Mul", centred, steepness), steepness, axes)


def _through(emit: Emitter, normal: Normalised, gradient: ir.Value) -> ir.Value:
    """The gradient of x from that of z."""
    mean = emit("ReduceMean", gradient, normal.axes, keepdims=1)
    projected = emit("ReduceMean", emit("Mul", gradient, normal.values), normal.axes, keepdims=1)
    along = emit("Mul", normal.values, projected)
    rest = emit("Sub", emit("Sub", gradient, mean), along)
    return emit("Mul", rest, normal.steepness)
