"""Per-channel scale and offset become a depthwise convolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import (
    constant,
    extent,
    is_operator,
    is_set,
    producer,
    rank,
    replace_node,
    set_constant,
)
from edgecnn_exporters.passes.moments import Moments, note, noted
from edgecnn_exporters.passes.rewrite import Refusal, RewriteRule, apply_rules
from edgecnn_exporters.quantise.integer_forms.nodes import insert
from edgecnn_runtime.arrays import Array

PRECISION = "it is not in float32"


@dataclass(frozen=True)
class Match:
    """``last`` computes ``scale · source + offset``, channel for channel.

    Attributes:
        inner: a node that serves nothing else.
        scale: (C,), in float64 where it was computed: one over a variance near zero is large.
        offset: (C,), likewise; None for zeros.
        parameters: the constants that the two come from, whose names they take over.
    """

    last: ir.Node
    inner: ir.Node | None
    source: ir.Value
    scale: Array
    offset: Array | None
    parameters: tuple[ir.Value | None, ir.Value | None]


@dataclass(frozen=True)
class _Term:
    """A node that multiplies ``source`` by a ``parameter``, or adds it: (C,)."""

    node: ir.Node
    source: ir.Value
    parameter: ir.Value
    array: Array


class ConvolveAffine(ir.passes.InPlacePass):
    """``s x + t`` with an s and a t for each channel becomes ``Conv(x)``, depthwise, of kernel 1.

    ``BatchNormalization(x)`` of (N, C, H, W), with ``s = gamma / sqrt(variance + epsilon)`` and
    ``t = beta - s mean`` · ``Add(Mul(x, s), t)``, ``Mul(x, s)`` and ``Add(x, t)`` of (N, C, H, W)
    and constants (1, C, 1, 1) or (C, 1, 1), inputs in any order. The Conv has W = s as
    (C, 1, 1, 1), ones where there is no s, and b = t. ``BatchNormalization(x)`` of (N, C) becomes
    ``Add(Mul(x, s), t)`` with (C,) constants.

    Left alone: a BatchNormalization that still trains or of other ranks, a Mul or Add by one number
    for all channels or that makes channels, for which x must have a static number of them,
    parameters that are computed, and precisions other than float32.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        # From the end, so that an Add takes the Mul before it along.
        return apply_rules(model, RewriteRule(_match, _rewrite), from_end=True)


def _match(node: ir.Node) -> Match | Refusal | None:
    return _match_norm(node) or _match_terms(node)


def _match_norm(node: ir.Node) -> Match | Refusal | None:
    if not is_operator(node, "BatchNormalization"):
        return None
    if is_set(node, "training_mode"):
        return Refusal("it still trains")
    source, scale, offset = node.inputs[:3]
    arrays = [constant(value) for value in node.inputs[1:5]]
    axes = rank(source)
    if source is None or axes not in (2, 4):
        return Refusal(f"its input has {axes or 'an unknown number of'} axes, not 2 or 4")
    if any(array is None for array in arrays):
        return Refusal("its parameters are computed")
    if not _is_float32(source, *arrays):
        return Refusal(PRECISION)
    gamma, beta, mean, variance = (np.asarray(array, np.float64) for array in arrays)
    factor = gamma / np.sqrt(variance + node.attributes.get_float("epsilon", 1e-5))
    return Match(node, None, source, factor, beta - factor * mean, (scale, offset))


def _match_terms(node: ir.Node) -> Match | Refusal | None:
    product = _term(node, "Mul")
    if isinstance(product, Refusal):
        return product
    if product is not None:
        return Match(node, None, product.source, product.array, None, (product.parameter, None))
    total = _term(node, "Add")
    if total is None or isinstance(total, Refusal):
        return total
    before = producer(total.source, "Mul")
    product = _term(before, "Mul") if before is not None else None
    if not isinstance(product, _Term):
        ones = np.ones_like(total.array)
        return Match(node, None, total.source, ones, total.array, (None, total.parameter))
    parameters = (product.parameter, total.parameter)
    return Match(node, before, product.source, product.array, total.array, parameters)


def _term(node: ir.Node, operator: str) -> _Term | Refusal | None:
    if not is_operator(node, operator):
        return None
    for source, parameter in (node.inputs, node.inputs[::-1]):
        array = constant(parameter)
        if source is None or parameter is None or array is None or constant(source) is not None:
            continue
        if array.size == 1 or array.shape not in ((array.size, 1, 1), (1, array.size, 1, 1)):
            continue
        channels = extent(source, 1) if rank(source) == 4 else None
        if channels is None:
            return Refusal("its input is not (N, C, H, W) with a known C")
        if channels != array.size:
            return Refusal(f"it makes {array.size} channels of {channels}")
        if not _is_float32(source, array):
            return Refusal(PRECISION)
        return _Term(node, source, parameter, array.reshape(-1))
    return None


def _is_float32(source: ir.Value, *arrays: Array | None) -> bool:
    return source.dtype in (ir.DataType.FLOAT, None) and all(
        array is not None and array.dtype == np.float32 for array in arrays
    )


def _rewrite(graph: ir.Graph, match: Match) -> None:
    moments = _moments(match.last)
    total = _multiply_and_add if rank(match.source) == 2 else _convolve
    made = total(graph, match)
    if moments is not None:
        note(made, moments)


def _moments(node: ir.Node) -> Moments | None:
    if is_operator(node, "BatchNormalization"):
        return Moments.of_norm(constant(node.inputs[1]), constant(node.inputs[2]))
    return noted(node.outputs[0])


def _convolve(graph: ir.Graph, match: Match) -> ir.Value:
    channels = len(match.scale)
    parameters = match.parameters[: 1 if match.offset is None else 2]
    conv = ir.node("Conv", [match.source, *parameters], {"group": channels})
    replace_node(graph, match.last, conv)
    if match.inner is not None:
        graph.remove(match.inner, safe=True)
    _set(graph, conv, 1, match.scale.reshape(channels, 1, 1, 1), f"{conv.name}.weight")
    if match.offset is not None:
        _set(graph, conv, 2, match.offset, f"{conv.name}.bias")
    return conv.outputs[0]


def _multiply_and_add(graph: ir.Graph, match: Match) -> ir.Value:
    scale, offset = match.parameters
    assert scale is not None
    assert match.offset is not None
    product = insert(graph, match.last, "Mul", [match.source, scale])
    total = ir.node("Add", [product, offset])
    replace_node(graph, match.last, total)
    multiply = product.producer()
    assert multiply is not None
    _set(graph, multiply, 1, match.scale, f"{total.name}.weight")
    _set(graph, total, 1, match.offset, f"{total.name}.bias")
    return total.outputs[0]


def _set(graph: ir.Graph, node: ir.Node, index: int, array: Array, name: str) -> None:
    set_constant(graph, node, index, array.astype(np.float32), name)
