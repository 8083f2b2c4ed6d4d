"""Batch normalisation disappears into the convolution before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import (
    Array,
    constant,
    hand_over,
    is_operator,
    is_set,
    new_initialiser,
    producer,
)


@dataclass(frozen=True)
class Match:
    """A Conv and the BatchNormalization that alone reads it, all of their weights known."""

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
    """``BatchNormalization(Conv(x))`` becomes ``Conv(x)``.

    With ``s = gamma / sqrt(variance + epsilon)`` per output channel, the Conv gets ``W' = s W`` and
    ``b' = s (b - mean) + beta``. Left alone: a Conv whose output has a second reader or leaves the
    graph, weights that are computed, and a BatchNormalization that still trains.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        matches = [match for node in model.graph if (match := _match(node))]
        for match in matches:
            _rewrite(model.graph, match)
        return ir.passes.PassResult(model, modified=bool(matches))


def _match(node: ir.Node) -> Match | None:
    if not is_operator(node, "BatchNormalization") or is_set(node, "training_mode"):
        return None
    conv = producer(node.inputs[0], "Conv")
    if conv is None:
        return None
    weight = constant(conv.inputs[1])
    statistics = [constant(value) for value in node.inputs[1:5]]
    if weight is None or any(array is None for array in statistics):
        return None
    gamma, beta, mean, variance = (np.asarray(array, np.float64) for array in statistics)
    has_bias = len(conv.inputs) > 2 and conv.inputs[2] is not None
    bias = constant(conv.inputs[2]) if has_bias else np.zeros(len(weight), weight.dtype)
    if bias is None:
        return None
    epsilon = node.attributes.get_float("epsilon", 1e-5)
    return Match(conv, node, weight, bias, gamma, beta, mean, variance, epsilon)


def _rewrite(graph: ir.Graph, match: Match) -> None:
    # In float64, and rounded once: a running variance near zero makes s large.
    scale = match.gamma / np.sqrt(match.variance + match.epsilon)
    weight = match.weight * scale.reshape(-1, *[1] * (match.weight.ndim - 1))
    bias = scale * (match.bias - match.mean) + match.beta
    dtype = match.weight.dtype
    name = str(match.conv.inputs[1].name).removesuffix(".weight")  # type: ignore[union-attr]
    match.conv.replace_input_with(1, new_initialiser(graph, f"{name}.weight", weight.astype(dtype)))
    match.conv.resize_inputs(3)
    match.conv.replace_input_with(2, new_initialiser(graph, f"{name}.bias", bias.astype(dtype)))
    output, convolved = match.norm.outputs[0], match.conv.outputs[0]
    convolved.type, convolved.shape = output.type, output.shape
    hand_over(output, convolved)
    graph.remove(match.norm, safe=True)
