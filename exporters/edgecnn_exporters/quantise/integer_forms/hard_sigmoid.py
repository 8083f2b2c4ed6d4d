"""HardSigmoid becomes a Clip of a linear function."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgecnn_exporters.passes.graph import is_operator, replace_node
from edgecnn_exporters.passes.rewrite import RewriteRule, apply_rules
from edgecnn_exporters.quantise.integer_forms.nodes import insert, number
from edgecnn_exporters.quantise.integer_forms.sums import rescale, sum_before


@dataclass(frozen=True)
class Match:
    """``node`` computes ``max(0, min(1, alpha · source + beta))``."""

    node: ir.Node
    source: ir.Value
    alpha: float
    beta: float


class SpellOutHardSigmoid(ir.passes.InPlacePass):
    """``HardSigmoid(x)`` becomes ``Clip(x', 0, 1)`` with ``x' = alpha x + beta``.

    Where x is what a Conv or Gemm with constant weights computes for the HardSigmoid alone, that
    one computes x': ``W' = alpha W``, ``b' = alpha b + beta``. Elsewhere
    ``x' = Add(Mul(x, alpha), beta)``: x has a second reader, leaves the graph, is made of computed
    weights or by another operator. Left alone: nothing.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(model, RewriteRule(_match, _rewrite))


def _match(node: ir.Node) -> Match | None:
    if not is_operator(node, "HardSigmoid") or node.inputs[0] is None:
        return None
    alpha = node.attributes.get_float("alpha", 0.2)
    beta = node.attributes.get_float("beta", 0.5)
    return Match(node, node.inputs[0], alpha, beta)


def _rewrite(graph: ir.Graph, match: Match) -> None:
    line = source = match.source
    if (before := sum_before(source, [match.node])) is not None:
        rescale(graph, before, match.alpha, match.beta)
    else:
        factor = number(graph, "hard_sigmoid.alpha", match.alpha, source)
        offset = number(graph, "hard_sigmoid.beta", match.beta, source)
        scaled = insert(graph, match.node, "Mul", [source, factor])
        line = insert(graph, match.node, "Add", [scaled, offset])
    low = number(graph, "hard_sigmoid.min", 0, source)
    high = number(graph, "hard_sigmoid.max", 1, source)
    replace_node(graph, match.node, ir.node("Clip", [line, low, high]))
