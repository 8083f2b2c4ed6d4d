"""Zero points of grouped 8-bit convolutions, which OpenVINO gets wrong, become part of the bias."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_operator, new_initialiser, scalar
from edgecnn_exporters.passes.padding.windows import ints, pad_image, set_pads
from edgecnn_exporters.passes.rewrite import RewriteRule, apply_rules
from edgecnn_runtime.arrays import Array

_WEIGHT, _BIAS = 1, 2


@dataclass(frozen=True)
class Match:
    """A grouped convolution of 8-bit values.

    Attributes:
        source: what dequantises its input, whose zero point is not 0.
        weights: its integers, (channels, inputs / groups, …).
        scales: their scales, one for each channel.
        bias: in float, (channels,).
    """

    node: ir.Node
    source: ir.Node
    zero_point: int
    weights: Array
    scales: Array
    bias: Array


class AbsorbZeroPoints(ir.passes.InPlacePass):
    """``Conv(DQ(q, s, z), w) + b`` becomes ``Conv(DQ(Pad(q, z), s, 0), w) + (b - s z sum(w))``.

    The same number, of grouped convolutions whose groups have several inputs or outputs and whose
    kernel has more than one pixel. OpenVINO (2026.4) takes the zero point of those off in a pass of
    its own. On CPUs with AMX it takes off another channel's where one image is divided among
    several threads and a group has more than sixteen outputs: nothing is left of the answer, while
    one thread, or two images, are right.

    Left alone: depthwise convolutions, those of one group or one pixel, zero points of 0, and those
    whose weights or bias are computed.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(model, RewriteRule(_match, _rewrite))


def _match(node: ir.Node) -> Match | None:
    groups = node.attributes.get_int("group", 1)
    if not is_operator(node, "Conv") or groups == 1 or node.inputs[0] is None:
        return None
    source, weight = node.inputs[0].producer(), _dequantised(node.inputs[_WEIGHT])
    if source is None or not is_operator(source, "DequantizeLinear") or weight is None:
        return None
    zero_point = scalar(source.inputs[2]) if len(source.inputs) > 2 else 0.0
    weights, scales = weight
    is_depthwise = len(weights) == groups and weights.shape[1] == 1
    if not zero_point or is_depthwise or np.prod(weights.shape[2:]) == 1:
        return None
    bias: Array = np.zeros(len(weights))
    if len(node.inputs) > _BIAS and node.inputs[_BIAS] is not None:
        given = _dequantised(node.inputs[_BIAS])
        if given is None:
            return None
        bias = given[0] * given[1]
    return Match(node, source, int(zero_point), weights, scales, bias)


def _dequantised(value: ir.Value | None) -> tuple[Array, Array] | None:
    """Integers and scales, (channels,), of what a DequantizeLinear makes of constants."""
    node = value.producer() if value is not None else None
    if node is None or not is_operator(node, "DequantizeLinear"):
        return None
    integers, scales = constant(node.inputs[0]), constant(node.inputs[1])
    if integers is None or scales is None:
        return None
    return integers.astype(np.int64), np.broadcast_to(scales.astype(np.float64), len(integers))


def _rewrite(graph: ir.Graph, match: Match) -> None:
    node, back = match.node, match.source
    integers, scale = back.inputs[0], back.inputs[1]
    assert integers is not None
    assert scale is not None
    name = str(node.outputs[0].name)
    zero = new_initialiser(graph, f"{name}.zero", np.array(0, np.uint8))
    plain = ir.node("DequantizeLinear", [integers, scale, zero], name=f"{name}.plain")
    source = plain.outputs[0]
    source.name, source.type = f"{name}.plain", back.outputs[0].type
    graph.insert_before(node, plain)
    axes = match.weights.ndim - 2
    pads = ints(node, "pads", [0] * 2 * axes)
    if any(pads):
        pad_image(graph, plain, pads[:axes], pads[axes:], np.array(match.zero_point, np.uint8))
        set_pads(node, [0] * axes, [0] * axes)
    node.replace_input_with(0, source)
    step = constant(scale)
    assert step is not None
    sums = match.weights.reshape(len(match.weights), -1).sum(1)
    factor = float(step.reshape(())) * match.zero_point
    bias = (match.bias - factor * match.scales * sums).astype(np.float32)
    node.resize_inputs(_BIAS + 1)
    node.replace_input_with(_BIAS, new_initialiser(graph, f"{name}.absorbed", bias))
