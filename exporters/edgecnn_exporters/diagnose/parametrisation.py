"""Rewrites of the reference into the candidate's parametrisation; its outputs stay the same.

A quantised graph writes HardSwish with other operators, and equalisation moves range from one
layer's weights into the next one's. Its values then differ from the float graph's, channel by
channel, without being wrong. Before the two are compared, the reference is brought into the same
form: by the same rewrites, and by scales estimated from the candidate's weights. Whatever these
scales are, the reference's outputs stay the same: the next layer divides each of them out again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.absorption import absorb_alike
from edgecnn_exporters.diagnose.align import FUSED
from edgecnn_exporters.diagnose.weights import input_of, reals
from edgecnn_exporters.passes.graph import (
    constant,
    is_operator,
    is_quantised,
    set_constant,
    sole_reader,
)
from edgecnn_exporters.quantise.graph.chains import (
    SPATIAL,
    SUMS,
    Pair,
    by_channel,
    neighbours,
    spatial_obstacle,
)
from edgecnn_exporters.quantise.integer_forms import prepare
from edgecnn_exporters.quantise.steps.equalise import HOMOGENEOUS
from edgecnn_runtime.arrays import Array

# Distance of a scale from 1 that rounding a channel's weights does not reach.
NOTABLE = 0.05
# Largest share of the next layer's misfit that may remain with the scale.
BETTER = 0.8
# Logarithm of a factor common to all channels above which equalisation is not its cause.
FACTOR = 0.3


def reparametrise(reference: ir.Model, candidate: ir.Model) -> ir.Model:
    """The reference, rewritten and scaled as the candidate is; itself where that is float."""
    if not is_quantised(candidate) or is_quantised(reference):
        return reference
    copy = reference.clone()
    prepare(copy)
    theirs = counterparts(copy.graph, candidate.graph)
    pairs = [p for p in _pairs(copy.graph) if {_name(p.first), _name(p.second)} <= set(theirs)]
    _equalise_alike(copy.graph, pairs, theirs)
    absorb_alike(copy.graph, pairs, theirs)
    return copy


@dataclass
class _Scales:
    """Scales of input and output channels of every sum, by the node's name."""

    incoming: dict[str, Array] = field(default_factory=dict)
    outgoing: dict[str, Array] = field(default_factory=dict)


def _equalise_alike(graph: ir.Graph, pairs: list[Pair], theirs: dict[str, ir.Node]) -> None:
    free = {_name(pair.first) for pair in pairs}
    scales = _Scales()
    for pair in pairs:
        first, second = theirs[_name(pair.first)], theirs[_name(pair.second)]
        scale = _estimated_scale(pair.first, first, scales)
        if scale is None:
            continue
        factor = _factor_of_bias(pair.first, first, scale)
        if factor is None and _name(pair.second) not in free:
            # Where the next layer's output is scaled too, its weight has no definite factor.
            factor = _factor_of_weight(pair.second, second, scale)
        scale = scale * (factor or 1.0)
        if np.abs(scale - 1).max() >= NOTABLE and _compensates(pair.second, second, scale):
            scales.outgoing[_name(pair.first)] = scale
            scales.incoming[_name(pair.second)] = 1 / scale
    for node in graph:
        if str(node.name) in scales.incoming.keys() | scales.outgoing.keys():
            _rewrite(graph, node, scales)


def counterparts(own: ir.Graph, their: ir.Graph) -> dict[str, ir.Node]:
    """The candidate's counterpart of each sum of the reference, by the latter's name.

    Where a runtime's format fuses the activation into the sum, only the activation has a name.
    """
    makers = {name: node for node in their if is_operator(node, *SUMS) for name in _names(node)}
    counterparts: dict[str, ir.Node] = {}
    for node in own:
        if is_operator(node, *SUMS):
            there = [makers[name] for name in _names(node) if name in makers]
            counterparts |= {_name(node): there[0]} if there else {}
    return counterparts


def _names(node: ir.Node) -> list[str]:
    """Names of a sum, of its output, and of the output of an activation after it."""
    reader = sole_reader(node.outputs[0])
    fused = [] if reader is None or not is_operator(reader, *FUSED) else [reader.outputs[0]]
    return [_name(node), *(str(value.name) for value in (node.outputs[0], *fused))]


def _pairs(graph: ir.Graph) -> Iterator[Pair]:
    return (pair for pair in neighbours(graph, _obstacle) if isinstance(pair, Pair))


def _obstacle(node: ir.Node) -> str | None:
    if is_operator(node, *HOMOGENEOUS, "Clip"):
        return None
    if is_operator(node, *SPATIAL):
        return spatial_obstacle(node)
    return "it does not keep each channel's scale"


def _estimated_scale(own: ir.Node, their: ir.Node, scales: _Scales) -> Array | None:
    """Scale of each output channel, (C,), of the candidate's weight: least squares."""
    rows, others = _rows(own, scales), reals(input_of(their, 1))
    if others is None or others.size != rows.size:
        return None
    others = others.reshape(rows.shape).astype(np.float64)
    power = np.square(rows).sum(axis=1)
    fitted = np.divide((rows * others).sum(axis=1), power, out=np.ones(len(rows)), where=power > 0)
    return np.where(fitted > 0, fitted, 1.0)


def _factor_of_bias(own: ir.Node, their: ir.Node, scale: Array) -> float | None:
    """Common factor of the scales at which the candidate's bias is the original's.

    Equalisation scales weight and bias alike, so the bias tells whether this weight or the next one
    is wrong. None where there is no bias.
    """
    bias, other = constant(input_of(own, 2)), reals(input_of(their, 2))
    if bias is None or other is None or bias.shape != other.shape or not bias.any():
        return None
    return _significant(_fit((bias * scale).ravel(), other.ravel()))


def _factor_of_weight(own: ir.Node, their: ir.Node, scale: Array) -> float:
    """Common factor of the scales at which the next layer cancels them."""
    others = reals(input_of(their, 1))
    weight = by_channel(own, len(scale))
    if others is None or others.size != weight.size:
        return 1.0
    unscaled = weight / scale.reshape(weight.shape[0], 1, -1, 1)
    return _significant(1 / max(_fit(unscaled.ravel(), others.ravel()), 1e-30))


def _fit(one: Array, other: Array) -> float:
    one, other = one.astype(np.float64), other.astype(np.float64)
    power = float(np.square(one).sum())
    return float((one * other).sum()) / power if power else 1.0


def _significant(factor: float) -> float:
    """The factor, or 1 where rounding or bias correction may have caused it."""
    return factor if factor > 0 and abs(np.log(factor)) > FACTOR else 1.0


def _name(node: ir.Node) -> str:
    return str(node.name)


def _compensates(own: ir.Node, their: ir.Node, scale: Array) -> bool:
    """Whether the next sum's weight compensates for the scale of its input channels."""
    others = reals(input_of(their, 1))
    weight = constant(own.inputs[1])
    if others is None or weight is None or others.shape != weight.shape:
        return False
    groups = own.attributes.get_int("group", 1)
    if groups == len(scale) == len(weight):
        # Depthwise: a scale of the input looks like one of the output; any change counts.
        ratio = np.abs(others).reshape(groups, -1).max(axis=1) / np.maximum(
            np.abs(weight).reshape(groups, -1).max(axis=1), 1e-30
        )
        return bool(np.abs(ratio - 1).max() > NOTABLE)
    plain = _misfit(by_channel(own, len(scale)), others, np.ones_like(scale))
    scaled = _misfit(by_channel(own, len(scale)), others, 1 / scale)
    return scaled < BETTER * plain


def _misfit(weight: Array, others: Array, incoming: Array) -> float:
    """Residual of the candidate's weight after the best scales of its output channels."""
    rows = (weight * incoming.reshape(weight.shape[0], 1, -1, 1)).reshape(others.shape[0], -1)
    others = others.reshape(rows.shape).astype(np.float64)
    power = np.maximum(np.square(rows).sum(axis=1), 1e-30)
    best = (rows * others).sum(axis=1) / power
    size = np.maximum(np.sqrt(np.square(others).sum(axis=1)), 1e-30)
    left = np.sqrt(np.square(others - best[:, None] * rows).sum(axis=1)) / size
    return float(left.mean())


def _rows(node: ir.Node, scales: _Scales) -> Array:
    """The weight with its input channels scaled, (output channels, rest)."""
    incoming = scales.incoming.get(str(node.name))
    weight = constant(node.inputs[1])
    assert weight is not None
    if incoming is not None:
        blocks = by_channel(node, len(incoming))
        weight = blocks * incoming.reshape(blocks.shape[0], 1, -1, 1)
    return weight.reshape(len(constant(node.inputs[1])), -1).astype(np.float64)  # type: ignore[arg-type]


def _rewrite(graph: ir.Graph, node: ir.Node, scales: _Scales) -> None:
    weight, bias = constant(node.inputs[1]), constant(input_of(node, 2))
    assert weight is not None
    outgoing = scales.outgoing.get(str(node.name), np.ones(len(weight)))
    scaled = _rows(node, scales) * outgoing[:, None]
    set_constant(graph, node, 1, scaled.reshape(weight.shape).astype(np.float32), f"{node.name}.w")
    if bias is not None:
        set_constant(graph, node, 2, (bias * outgoing).astype(np.float32), f"{node.name}.b")
