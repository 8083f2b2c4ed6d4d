"""Encodings and quantised weights of the QDQ graph, from the measured ranges."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.plan import EncodingGroup, QuantisationPlan
from edgecnn_exporters.quantise.graph.qdq import bias_of
from edgecnn_exporters.quantise.graph.rules import RULES, Role
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.encoding import (
    Encoding,
    QuantisedWeight,
    Range,
    encode,
    hold_bias,
    quantise_weight,
    weight_scales,
)


def encode_groups(plan: QuantisationPlan, ranges: Mapping[str, Range]) -> dict[str, Encoding]:
    """The encoding of every 8-bit value: its group holds the ranges of all its sources.

    Args:
        ranges: of every name in `plan.sources`.
    """
    return {
        name: encoding
        for group in plan.groups
        for encoding in [_encode_group(group, plan, ranges)]
        for name in group.values
    }


def _encode_group(
    group: EncodingGroup, plan: QuantisationPlan, ranges: Mapping[str, Range]
) -> Encoding:
    if group.fixed is not None:
        return group.fixed
    limits = {plan.limits.get(name) for name in group.sources}
    joined = reduce(Range.joined, (ranges[name].to_zero() for name in group.sources))
    return encode(joined, limits.pop() if len(limits) == 1 else None)


def quantise_weights(
    graph: ir.Graph,
    plan: QuantisationPlan,
    activations: Mapping[str, Encoding],
    config: QuantConfig,
) -> dict[str, QuantisedWeight]:
    """The weights of every integer product, by the node's name: nearest integers."""
    weights = {}
    for node in graph:
        if plan.integer.get(str(node.name)) is Role.PRODUCT:
            source = node.inputs[0]
            assert source is not None
            weights[str(node.name)] = quantise_product(
                node, activations[str(source.name)].scale, config
            )
    return weights


def quantise_product(node: ir.Node, input_scale: float, config: QuantConfig) -> QuantisedWeight:
    """The weight of a Conv, ConvTranspose or Gemm: nearest integers."""
    weight = weight_of(node)
    axis = RULES[node.op_type].weight_axis
    # The channels of a grouped ConvTranspose lie on two axes: one scale then serves them all.
    is_split = axis == 1 and node.attributes.get_int("group", 1) != 1
    per = axis if config.per_channel and not is_split else None
    scale = weight_scales(weight, per, config.weight_bits)
    bias = bias_of(node)
    if bias is not None:
        scale = hold_bias(scale, bias, input_scale)
    return quantise_weight(weight, scale, axis, config.weight_bits)


def weight_of(node: ir.Node) -> Float32:
    """The weight of a product."""
    weight = constant(node.inputs[1])
    assert weight is not None
    return weight.astype(np.float32, copy=False)
