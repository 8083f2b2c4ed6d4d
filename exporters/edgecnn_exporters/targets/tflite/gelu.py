"""Fusion of GELU (Hendrycks and Gimpel 2016) into one operator."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import onnx_ir as ir

from edgecnn_exporters.passes.graph import maker, replace_node, scalar, why_shared
from edgecnn_exporters.passes.products import adds_axes, agree, expand, product_of
from edgecnn_exporters.passes.rewrite import Refusal, RewriteRule, apply_rules


@dataclass(frozen=True)
class Match:
    """``last`` computes GELU of ``source``; the ``inner`` nodes serve nothing else."""

    last: ir.Node
    source: ir.Value
    inner: tuple[ir.Node, ...]


class FuseGelu(ir.passes.InPlacePass):
    """``x · (1 + Erf(x / √2)) / 2`` becomes ``Gelu(x)``.

    In any order of the factors and summands, the 1/2 before or behind the sum or in each of its
    parts, every division by a number as a product with its inverse. Left alone: other numbers, an
    inner node whose output has a second reader or leaves the graph, and a number of higher rank
    than x (the result has that rank).
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(model, RewriteRule(_match, _rewrite))


def _match(node: ir.Node) -> Match | Refusal | None:
    product = product_of(node)
    if product is None or len(product.factors) != 2:
        return None
    refusal = None
    for source, gate in (product.factors, product.factors[::-1]):
        computed = _gate(gate, source, product.number)
        if isinstance(computed, Refusal):
            refusal = computed
        elif computed is not None:
            inner = (*product.inner, *computed)
            if adds_axes(source, (node, *inner)):
                return Refusal("one of its numbers has more axes than its input")
            return Match(node, source, inner)
    return refusal


def _gate(value: ir.Value, source: ir.Value, factor: float) -> tuple[ir.Node, ...] | Refusal | None:
    """The nodes of `value`, if times `factor` it is ``1/2 + Erf(source / √2) / 2``."""
    total = maker(value, "Add")
    if total is None:
        return None
    for one, other in (total.inputs, total.inputs[::-1]):
        summand, curve = scalar(one), expand(other)
        if summand is None or curve is None or len(curve.factors) != 1:
            continue
        erf = maker(curve.factors[0], "Erf")
        argument = expand(erf.inputs[0]) if erf is not None else None
        if erf is None or argument is None or argument.factors != (source,):
            continue
        numbers = (factor * summand, factor * curve.number, argument.number)
        if not agree(numbers, (1 / 2, 1 / 2, 1 / sqrt(2))):
            return Refusal("its numbers are not those of GELU")
        for node in (total, erf):
            if reason := why_shared(node, "inside it"):
                return Refusal(reason)
        return (total, *curve.inner, erf, *argument.inner)
    return None


def _rewrite(graph: ir.Graph, match: Match) -> None:
    replace_node(graph, match.last, ir.node("Gelu", [match.source]))
    graph.remove(match.inner, safe=True)
