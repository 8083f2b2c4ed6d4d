"""HardSwish (Howard et al. 2019, section 5.2) as one integer sum and one integer product."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import onnx_ir as ir

from edgecnn_exporters.passes.graph import is_operator, maker, replace_node, scalar, why_shared
from edgecnn_exporters.passes.products import adds_axes, agree, product_of
from edgecnn_exporters.passes.rewrite import Refusal, RewriteRule, apply_rules
from edgecnn_exporters.quantise.integer_forms.nodes import insert, number
from edgecnn_exporters.quantise.integer_forms.sums import rescale, sum_before

ROOT = sqrt(6)


@dataclass(frozen=True)
class Match:
    """``last`` computes HardSwish of ``source``; the ``inner`` nodes serve nothing else."""

    last: ir.Node
    source: ir.Value
    inner: tuple[ir.Node, ...] = ()


class SpellOutHardSwish(ir.passes.InPlacePass):
    """``HardSwish(x) = x · clip(x + 3, 0, 6) / 6`` becomes ``Mul(y, Clip(Add(y, 3/√6), 0, √6))``.

    With ``y = x/√6`` no factor is left over, and the 8 bits of the Add, from 0 to √6, are the clip.
    Where x is what a Conv or Gemm with constant weights computes for the HardSwish alone, that one
    computes y: ``W' = W/√6``, ``b' = b/√6``. Elsewhere ``y = Mul(x, 1/√6)``.

    So do the spelt-out ``x · HardSigmoid(x)`` with alpha 1/6 and beta 1/2, and the product of x,
    ``Clip(Add(x, 3), 0, 6)`` and 1/6, in any order, where 1/6 may be a Div by 6. Left alone: other
    numbers, an inner node whose output has a second reader or leaves the graph, and a number of
    higher rank than x (the result has that rank).
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(model, RewriteRule(_match, _rewrite))


def _match(node: ir.Node) -> Match | Refusal | None:
    if is_operator(node, "HardSwish") and node.inputs[0] is not None:
        return Match(node, node.inputs[0])
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
    """The nodes that compute `value`, if times `factor` it is ``clip(source + 3, 0, 6) / 6``."""
    sigmoid = maker(value, "HardSigmoid")
    if sigmoid is not None and sigmoid.inputs[0] is source:
        slope = sigmoid.attributes.get_float("alpha", 0.2)
        line = (factor, slope, sigmoid.attributes.get_float("beta", 0.5))
        return _unless_refused((sigmoid,), agree(line, (1, 1 / 6, 1 / 2)))
    clip = maker(value, "Clip")
    shift = maker(clip.inputs[0], "Add") if clip is not None else None
    if clip is None or shift is None or len(clip.inputs) != 3 or source not in shift.inputs:
        return None
    offset = scalar(shift.inputs[1 if shift.inputs[0] is source else 0])
    if offset is None:
        return None
    numbers = (factor, offset, scalar(clip.inputs[1]), scalar(clip.inputs[2]))
    return _unless_refused((clip, shift), agree(numbers, (1 / 6, 3, 0, 6)))


def _unless_refused(nodes: tuple[ir.Node, ...], agrees: bool) -> tuple[ir.Node, ...] | Refusal:
    if not agrees:
        return Refusal("its numbers are not those of HardSwish")
    for node in nodes:
        if reason := why_shared(node, "inside it"):
            return Refusal(reason)
    return nodes


def _rewrite(graph: ir.Graph, match: Match) -> None:
    last, source = match.last, match.source
    scaled = source
    if (before := sum_before(source, (last, *match.inner))) is not None:
        rescale(graph, before, 1 / ROOT)
    else:
        factor = number(graph, "hard_swish.factor", 1 / ROOT, source)
        scaled = insert(graph, last, "Mul", [source, factor])
    offset = number(graph, "hard_swish.offset", 3 / ROOT, source)
    low = number(graph, "hard_swish.min", 0, source)
    high = number(graph, "hard_swish.max", ROOT, source)
    shifted = insert(graph, last, "Add", [scaled, offset])
    clipped = insert(graph, last, "Clip", [shifted, low, high])
    replace_node(graph, last, ir.node("Mul", [scaled, clipped]))
    graph.remove(match.inner, safe=True)
