"""High-bias absorption: no channel spends its 8 bits on values that it never has.

Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction",
section 4.1.3.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import is_operator, is_set, set_constant
from edgecnn_exporters.passes.moments import rescale_note
from edgecnn_exporters.quantise.graph.chains import (
    SPATIAL,
    Pair,
    Refused,
    bias_of,
    by_channel,
    describe,
    measured,
    neighbours,
    pads_with_zeros,
    spatial_obstacle,
    weight_of,
)
from edgecnn_runtime.arrays import Float32


@dataclass(frozen=True)
class Absorbed:
    """A pair of sums whose biases were changed, by name.

    Attributes:
        values: those between them, which are lower now.
        channels: how many were lowered.
        largest: by how much at most.
    """

    first: str
    second: str
    values: tuple[str, ...]
    channels: int
    largest: float


@dataclass(frozen=True)
class Absorption:
    """Result of high-bias absorption, in the graph's order."""

    absorbed: tuple[Absorbed, ...]
    refused: tuple[Refused, ...]


@dataclass(frozen=True)
class _Match:
    """A pair with c, (C,): the amount by which its first sum can be lowered."""

    pair: Pair
    surplus: Float32


def absorb_high_biases(
    model: ir.Model, floors: Mapping[str, Float32], fixed: Collection[str] = ()
) -> Absorption:
    """Move the floor of each channel before a Relu into the bias of the next sum.

    With ``c = max(0, floor)``, ``b1' = b1 - c`` and ``b2' = b2 + W2 c``, summed over the kernel.
    The model computes the same wherever no channel falls below its floor, for there
    ``Relu(x - c) = Relu(x) - c``. MaxPool, AveragePool, GlobalAveragePool, Flatten, and Pad with
    what lies at the edge may stand between too. Left alone, with the reason: a second sum that
    pads, since a padded zero is not c lower; a Pad or AveragePool that counts zeros; no activation,
    and any other than Relu; an output with a second reader or that leaves the graph.

    Args:
        floors: (C,), the least value of each channel, by name of the output of a sum before Relu.
            They no longer hold afterwards: measure again.
        fixed: names of sums that are left alone.

    Raises:
        ValueError: a floor is not one number for each channel.
    """
    candidates = [_match(each, floors) for each in neighbours(model.graph, _obstacle, fixed)]
    matches = [each for each in candidates if isinstance(each, _Match)]
    for match in matches:
        _rewrite(model.graph, match)
    return Absorption(
        tuple(map(_report, matches)),
        tuple(each for each in candidates if isinstance(each, Refused)),
    )


def _obstacle(node: ir.Node) -> str | None:
    if is_operator(node, "Relu"):
        return None
    if not is_operator(node, *SPATIAL):
        return "only through Relu is Relu(x - c) = Relu(x) - c"
    return spatial_obstacle(node) or _zeros_obstacle(node)


def _zeros_obstacle(node: ir.Node) -> str | None:
    """Why an operator of `SPATIAL` does not compute ``f(x - c) = f(x) - c``; None if it does."""
    if is_operator(node, "Pad") and node.attributes.get_string("mode", "constant") == "constant":
        return "it pads with zeros, of which none is c lower"
    reaches_over = pads_with_zeros(node) or is_set(node, "ceil_mode")
    if is_operator(node, "AveragePool") and is_set(node, "count_include_pad") and reaches_over:
        return "it counts padded zeros, of which none is c lower"
    return None


def _match(pair: Pair | Refused, floors: Mapping[str, Float32]) -> _Match | Refused:
    if isinstance(pair, Refused):
        return pair
    name, value = str(pair.first.name), pair.first.outputs[0].name
    if not any(is_operator(node, "Relu") for node in pair.between):
        return Refused(name, f"no Relu stands between it and {describe(pair.second)}")
    if pads_with_zeros(pair.second):
        return Refused(
            name, f"{describe(pair.second)}: it pads with zeros, of which none is c lower"
        )
    floor = measured(floors, pair)
    if floor is None:
        return Refused(name, f"no floors of {value} tell what stays above zero")
    surplus = np.maximum(floor, np.float32(0))
    if not surplus.any():
        return Refused(name, f"every channel of {value} falls to zero or below")
    return _Match(pair, surplus)


def _rewrite(graph: ir.Graph, match: _Match) -> None:
    first, second, surplus = match.pair.first, match.pair.second, match.surplus
    _add_to_bias(graph, first, -surplus)
    rescale_note(first.outputs[0], offset=-surplus)
    weight = by_channel(second, len(surplus)).sum(axis=3, dtype=np.float64)
    groups, _, inputs = weight.shape
    _add_to_bias(graph, second, np.einsum("goi,gi->go", weight, surplus.reshape(groups, inputs)))


def _add_to_bias(graph: ir.Graph, node: ir.Node, change: Float32) -> None:
    weight, bias = weight_of(node), bias_of(node)
    total = change.astype(np.float64).ravel() + (0 if bias is None else bias)
    set_constant(graph, node, 2, total.astype(weight.dtype), f"{node.name}.bias")


def _report(match: _Match) -> Absorbed:
    return Absorbed(
        str(match.pair.first.name),
        str(match.pair.second.name),
        match.pair.values,
        int((match.surplus > 0).sum()),
        float(match.surplus.max()),
    )
