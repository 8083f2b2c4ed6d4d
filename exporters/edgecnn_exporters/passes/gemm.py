"""Canonical form of fully connected layers: Gemm with transB = 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import (
    constant,
    is_dead,
    is_operator,
    is_set,
    maker,
    rank,
    replace_node,
    set_constant,
    why_shared,
)
from edgecnn_exporters.passes.rewrite import Refusal, RewriteRule, apply_rules
from edgecnn_runtime.arrays import Array


@dataclass(frozen=True)
class Match:
    """A fully connected layer of x (N, in), ended by `node`.

    Attributes:
        values: x, W and b (if there is one) as the graph has them.
        weight: (out, in), the factor of the product multiplied in.
        bias: (out,), its factor multiplied in; None where there is none, or where b stays as it is.
    """

    node: ir.Node
    values: tuple[ir.Value, ...]
    weight: Array
    bias: Array | None


class CanonicaliseGemm(ir.passes.InPlacePass):
    """A fully connected layer becomes ``Gemm(x, W, b)`` with W as (out, in) and transB = 1.

    ``MatMul(x, W)`` of a 2-D x · ``alpha x W + beta b`` becomes ``x W' + b'`` with ``W' = alpha W``
    and ``b' = beta b`` · ``Add(…, b)`` of either, in either order, without a bias yet. A constant b
    becomes (out,) where it is the same for all rows. Left alone: a W that is computed, x that is
    not 2-D, transA, a computed b with a beta.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(
            model, RewriteRule(_match_add, _rewrite), RewriteRule(_match_alone, _rewrite)
        )


def _match_alone(node: ir.Node) -> Match | Refusal | None:
    match = _match_product(node)
    return None if isinstance(match, Match) and _is_canonical(match) else match


def _match_product(node: ir.Node) -> Match | Refusal | None:
    return _match_matmul(node) or _match_gemm(node)


def _match_matmul(node: ir.Node) -> Match | Refusal | None:
    if not is_operator(node, "MatMul"):
        return None
    source, weight = node.inputs
    axes, array = rank(source), constant(weight)
    if array is None:
        return Refusal("its weight is computed") if axes == 2 else None
    if source is None or weight is None or array.ndim != 2:
        return None
    if axes != 2:
        return Refusal(f"its input has {axes or 'an unknown number of'} axes, not 2")
    return Match(node, (source, weight), array.T, None)


def _match_gemm(node: ir.Node) -> Match | Refusal | None:
    if not is_operator(node, "Gemm"):
        return None
    if is_set(node, "transA"):
        return Refusal("it transposes its input")
    values = tuple(value for value in node.inputs if value is not None)
    array = constant(values[1])
    if array is None:
        return Refusal("its weight is computed")
    weight = array if is_set(node, "transB") else array.T
    weight = _times(node.attributes.get_float("alpha", 1.0), weight)
    beta = node.attributes.get_float("beta", 1.0)
    bias = _row(constant(values[2]), len(weight)) if len(values) > 2 else None
    if bias is None:
        if len(values) > 2 and beta != 1.0:
            return Refusal(f"its bias, times {beta:g}, is computed or not one number an output")
        return Match(node, values, weight, None)
    return Match(node, values, weight, _times(beta, bias))


def _match_add(node: ir.Node) -> Match | Refusal | None:
    if not is_operator(node, "Add"):
        return None
    for value, addend in (node.inputs, node.inputs[::-1]):
        product, array = maker(value, "MatMul", "Gemm"), constant(addend)
        inner = _match_product(product) if product is not None else None
        if product is None or not isinstance(inner, Match) or addend is None or array is None:
            continue
        if reason := why_shared(product):
            return Refusal(reason)
        if len(inner.values) > 2:
            return Refusal(f"the {product.op_type} before it has a bias")
        bias = _row(array, len(inner.weight))
        if bias is None:
            return Refusal("what it adds is not one number for each output")
        return Match(node, (*inner.values, addend), inner.weight, bias)
    return None


def _times(factor: float, array: Array) -> Array:
    return array if factor == 1.0 else (array.astype(np.float64) * factor).astype(array.dtype)


def _row(array: Array | None, size: int) -> Array | None:
    """A (), (1,), (size,), (1, 1) or (1, size) array as (size,); None for any other."""
    if array is None or array.ndim > 2 or array.size not in (1, size):
        return None
    if array.ndim == 2 and len(array) != 1:
        return None
    return np.broadcast_to(array.reshape(-1), (size,))


def _is_canonical(match: Match) -> bool:
    node = match.node
    return (
        is_operator(node, "Gemm")
        and is_set(node, "transB")
        and node.attributes.get_float("alpha", 1.0) == 1.0
        and node.attributes.get_float("beta", 1.0) == 1.0
        and (match.bias is None or list(match.values[2].shape or ()) == list(match.bias.shape))
    )


def _rewrite(graph: ir.Graph, match: Match) -> None:
    before = [value.producer() for value in match.node.inputs if value is not None]
    gemm = ir.node("Gemm", match.values, attributes={"transB": 1})
    replace_node(graph, match.node, gemm)
    for node in before:
        if node is not None and is_operator(node, "MatMul", "Gemm") and is_dead(node):
            graph.remove(node, safe=True)
    set_constant(graph, gemm, 1, match.weight, f"{match.values[1].name}.transposed")
    if match.bias is not None:
        set_constant(graph, gemm, 2, match.bias, f"{match.values[2].name}.row")
