"""Workarounds for OpenVINO's 8-bit arithmetic, which skips a rounding where it fuses or moves."""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.passes.graph import insert_identity, is_operator
from edgecnn_exporters.passes.rewrite import RewriteRule, apply_rules

# What saturates in the encoding of its output, and stands between a convolution and its integers.
_CLAMPS = ("Relu", "Clip")


class KeepRounding(ir.passes.InPlacePass):
    """``Add(DQ(Q(Conv(x))), …)`` becomes ``Add(DQ(Q(LeakyRelu(Conv(x)))), …)``, with slope 1.

    LeakyRelu of slope 1 is the identity. OpenVINO's CPU plug-in (seen in 2026.4) computes
    ``Conv, Q, Add, Q`` in one kernel and leaves the first rounding out when Q is the first thing
    that follows the convolution. The sum is then another one than every other runtime computes: on
    MobileNetV2 33 dB from the quantised graph instead of 46. Behind an activation it rounds; this
    one costs nothing and no optimiser knows it, whereas a Clip to the range of Q is folded into Q.

    Left alone: what no Add reads, which is rounded anyway.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(model, RewriteRule(_match, _rewrite))


def _match(node: ir.Node) -> ir.Node | None:
    """The Q of a convolution that an Add reads."""
    if not is_operator(node, "QuantizeLinear") or node.inputs[0] is None:
        return None
    source = node.inputs[0].producer()
    if source is not None and is_operator(source, *_CLAMPS) and source.inputs[0] is not None:
        source = source.inputs[0].producer()
    if source is None or not is_operator(source, "Conv"):
        return None
    back = [use.node for use in node.outputs[0].uses()]
    readers = [use.node for dequantise in back for use in dequantise.outputs[0].uses()]
    return node if any(is_operator(reader, "Add") for reader in readers) else None


def _rewrite(graph: ir.Graph, quantise: ir.Node) -> None:
    value = quantise.inputs[0]
    assert value is not None
    insert_identity(graph, quantise, f"{value.name}.rounded")


class KeepClipBounds(ir.passes.InPlacePass):
    """``Clip(DQ(q), low, high)`` becomes ``Clip(LeakyRelu(DQ(q)), low, high)``, with slope 1.

    OpenVINO's CPU plug-in (seen in 2026.4) moves the Clip in front of DQ, and its bounds are then
    integers of q: 0.1 becomes the step next to it, which is not the one that Q makes of 0.1 behind
    the Clip. What the bound catches is off by up to a step: 31 dB where the graph has 35.

    Left alone: a Clip that reads a float value; Relu, whose bound is an integer of every encoding.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(model, RewriteRule(_match_clip, _rewrite_clip))


def _match_clip(node: ir.Node) -> ir.Node | None:
    if not is_operator(node, "Clip") or node.inputs[0] is None:
        return None
    source = node.inputs[0].producer()
    return node if source is not None and is_operator(source, "DequantizeLinear") else None


def _rewrite_clip(graph: ir.Graph, clip: ir.Node) -> None:
    insert_identity(graph, clip, f"{clip.outputs[0].name}.bounds")
