"""GELU (Hendrycks and Gimpel 2016) as the one operator that it is."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import onnx_ir as ir

from edgecnn_exporters.passes.graph import producer, replace_node, scalar
from edgecnn_exporters.passes.products import adds_axes, agree, expand, product_of


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
        modified = False
        for node in list(model.graph):
            if node.graph is not None and (match := _match(node)):
                replace_node(model.graph, match.last, ir.node("Gelu", [match.source]))
                model.graph.remove(match.inner, safe=True)
                modified = True
        return ir.passes.PassResult(model, modified=modified)


def _match(node: ir.Node) -> Match | None:
    product = product_of(node)
    if product is None or len(product.factors) != 2:
        return None
    for source, gate in (product.factors, product.factors[::-1]):
        computed = _gate(gate, source, product.number)
        if computed is not None:
            match = Match(node, source, (*product.inner, *computed))
            return None if adds_axes(source, (node, *match.inner)) else match
    return None


def _gate(value: ir.Value, source: ir.Value, factor: float) -> tuple[ir.Node, ...] | None:
    """The nodes of `value`, if times `factor` it is ``1/2 + Erf(source / √2) / 2``."""
    total = producer(value, "Add")
    if total is None:
        return None
    for one, other in (total.inputs, total.inputs[::-1]):
        summand, curve = scalar(one), expand(other)
        if summand is None or curve is None or len(curve.factors) != 1:
            continue
        erf = producer(curve.factors[0], "Erf")
        argument = expand(erf.inputs[0]) if erf is not None else None
        if erf is None or argument is None or argument.factors != (source,):
            continue
        numbers = (factor * summand, factor * curve.number, argument.number)
        if agree(numbers, (1 / 2, 1 / 2, 1 / sqrt(2))):
            return (total, *curve.inner, erf, *argument.inner)
    return None
