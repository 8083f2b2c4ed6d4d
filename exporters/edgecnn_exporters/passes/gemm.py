"""Fully connected layers in one form."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgecnn_exporters.passes.graph import (
    Array,
    constant,
    is_operator,
    is_set,
    new_initialiser,
    producer,
    rank,
    replace_node,
)


@dataclass(frozen=True)
class Match:
    """A fully connected layer of x (N, in): the node that ends it, and its weight as (out, in)."""

    node: ir.Node
    source: ir.Value
    weight: Array
    weight_name: str
    bias: ir.Value | None


class CanonicaliseGemm(ir.passes.InPlacePass):
    """A fully connected layer becomes ``Gemm(x, W, b)`` with W as (out, in) and transB = 1.

    ``MatMul(x, W)`` of a 2-D x · ``Add(MatMul(x, W), b)``, in either order, b of shape (out,) ·
    ``Gemm`` with transB = 0 and a constant weight. Left alone: weights that are computed, x that is
    not 2-D, alpha or beta other than 1, transA.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for match_one in (_match_add, _match_matmul, _match_gemm):
            for match in [m for node in model.graph if (m := match_one(node))]:
                _rewrite(model.graph, match)
                modified = True
        return ir.passes.PassResult(model, modified=modified)


def _match_matmul(node: ir.Node) -> Match | None:
    if not is_operator(node, "MatMul") or rank(node.inputs[0]) != 2:
        return None
    source, weight = node.inputs[0], constant(node.inputs[1])
    if source is None or weight is None or weight.ndim != 2:
        return None
    return Match(node, source, weight.T, _name(node.inputs[1]), None)


def _match_add(node: ir.Node) -> Match | None:
    if not is_operator(node, "Add"):
        return None
    for value, bias in (node.inputs, node.inputs[::-1]):
        product = producer(value, "MatMul")
        inner = _match_matmul(product) if product is not None else None
        addend = constant(bias)
        if inner and addend is not None and addend.shape == (len(inner.weight),):
            return Match(node, inner.source, inner.weight, inner.weight_name, bias)
    return None


def _match_gemm(node: ir.Node) -> Match | None:
    if not is_operator(node, "Gemm") or is_set(node, "transB"):
        return None
    plain = (
        not is_set(node, "transA")
        and node.attributes.get_float("alpha", 1.0) == 1.0
        and node.attributes.get_float("beta", 1.0) == 1.0
    )
    source, weight = node.inputs[0], constant(node.inputs[1])
    if not plain or source is None or weight is None:
        return None
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    return Match(node, source, weight.T, _name(node.inputs[1]), bias)


def _name(value: ir.Value | None) -> str:
    assert value is not None
    return str(value.name)


def _rewrite(graph: ir.Graph, match: Match) -> None:
    weight = new_initialiser(graph, f"{match.weight_name}.transposed", match.weight)
    inputs = [match.source, weight, *([match.bias] if match.bias is not None else [])]
    before = [value.producer() for value in match.node.inputs if value is not None]
    replace_node(graph, match.node, ir.node("Gemm", inputs, attributes={"transB": 1}))
    for node in before:
        if node is not None and node.op_type == "MatMul" and not node.outputs[0].uses():
            graph.remove(node, safe=True)
