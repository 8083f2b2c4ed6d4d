"""Folding of batch normalisation into the convolution before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import (
    constant,
    hand_over,
    is_operator,
    is_set,
    maker,
    set_constant,
    why_shared,
)
from edgecnn_exporters.passes.moments import Moments, note
from edgecnn_exporters.passes.rewrite import Refusal, RewriteRule, apply_rules
from edgecnn_runtime.arrays import Array


@dataclass(frozen=True)
class Match:
    """A convolution and the BatchNormalization that alone reads it, all of their weights known."""

    conv: ir.Node
    norm: ir.Node
    weight: Array
    bias: Array
    gamma: Array
    beta: Array
    mean: Array
    variance: Array
    epsilon: float


class FoldBatchNorm(ir.passes.InPlacePass):
    """``BatchNormalization(Conv(x))`` becomes ``Conv(x)``, and so does one over ConvTranspose.

    With ``s = gamma / sqrt(variance + epsilon)`` per output channel, the convolution gets
    ``W' = s W`` and ``b' = s (b - mean) + beta``. Output channels are axis 0 of Conv's weight; of
    ConvTranspose's, (in, out / group, …), they are axis 1 within each group. Left alone: a
    convolution whose output has a second reader or leaves the graph, weights that are computed,
    and a BatchNormalization that still trains or follows another operator.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        # One after the other: a norm behind a folded one is then behind the convolution.
        return apply_rules(model, RewriteRule(_match, _rewrite))


def _match(node: ir.Node) -> Match | Refusal | None:
    if not is_operator(node, "BatchNormalization"):
        return None
    if is_set(node, "training_mode"):
        return Refusal("it still trains")
    conv = maker(node.inputs[0], "Conv", "ConvTranspose")
    if conv is None:
        return Refusal(f"it follows {_source(node)}, not a convolution")
    if reason := why_shared(conv):
        return Refusal(reason)
    weight = constant(conv.inputs[1])
    statistics = [constant(value) for value in node.inputs[1:5]]
    if weight is None:
        return Refusal(f"the weight of the {conv.op_type} before it is computed")
    if any(array is None for array in statistics):
        return Refusal("its own parameters are computed")
    gamma, beta, mean, variance = (np.asarray(array, np.float64) for array in statistics)
    has_bias = len(conv.inputs) > 2 and conv.inputs[2] is not None
    bias = constant(conv.inputs[2]) if has_bias else np.zeros(len(gamma), weight.dtype)
    if bias is None:
        return Refusal(f"the bias of the {conv.op_type} before it is computed")
    epsilon = node.attributes.get_float("epsilon", 1e-5)
    return Match(conv, node, weight, bias, gamma, beta, mean, variance, epsilon)


def _source(node: ir.Node) -> str:
    before = node.inputs[0].producer() if node.inputs[0] is not None else None
    return "an input of the graph" if before is None else before.op_type


def _rewrite(graph: ir.Graph, match: Match) -> None:
    # In float64, and rounded once: a running variance near zero makes s large.
    scale = match.gamma / np.sqrt(match.variance + match.epsilon)
    weight = _scale_outputs(match.conv, match.weight, scale).astype(match.weight.dtype)
    bias = (scale * (match.bias - match.mean) + match.beta).astype(match.weight.dtype)
    name = str(match.conv.inputs[1].name)  # type: ignore[union-attr] # it is constant, so there
    set_constant(graph, match.conv, 1, weight, name)
    set_constant(graph, match.conv, 2, bias, f"{name.removesuffix('.weight')}.bias")
    output, convolved = match.norm.outputs[0], match.conv.outputs[0]
    convolved.type, convolved.shape = output.type, output.shape
    hand_over(output, convolved)
    note(convolved, Moments.of_norm(match.gamma, match.beta))
    graph.remove(match.norm, safe=True)


def _scale_outputs(conv: ir.Node, weight: Array, scale: Array) -> Array:
    kernel = [1] * (weight.ndim - 2)
    if is_operator(conv, "Conv"):
        return weight * scale.reshape(-1, 1, *kernel)
    groups = conv.attributes.get_int("group", 1)
    grouped = weight.reshape(groups, -1, *weight.shape[1:])
    return (grouped * scale.reshape(groups, 1, -1, *kernel)).reshape(weight.shape)
