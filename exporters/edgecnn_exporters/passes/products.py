"""Matching of products of values and constants, in any order and through any Mul and Div.

Exporters write activations as such products, which passes match.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isclose

import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_operator, producer, scalar

# Relative, of the constants in a product: exporters round 1/6 to seven digits.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Product:
    """``number`` times all of the ``factors``, and the nodes but the last that multiply them."""

    factors: tuple[ir.Value, ...]
    number: float = 1.0
    inner: tuple[ir.Node, ...] = ()


def product_of(node: ir.Node) -> Product | None:
    """The product that a Mul computes, or a Div by a number; None for other nodes."""
    if is_operator(node, "Div"):
        divisor, divided = scalar(node.inputs[1]), expand(node.inputs[0])
        if not divisor or divided is None:
            return None
        return Product(divided.factors, divided.number / divisor, divided.inner)
    one, other = map(expand, node.inputs) if is_operator(node, "Mul") else (None, None)
    if one is None or other is None:
        return None
    return Product(
        (*one.factors, *other.factors), one.number * other.number, (*one.inner, *other.inner)
    )


def expand(value: ir.Value | None) -> Product | None:
    """A value as a product of factors, or of itself alone."""
    if value is None:
        return None
    if (number := scalar(value)) is not None:
        return Product((), number)
    node = producer(value, "Mul") or producer(value, "Div")
    product = product_of(node) if node is not None else None
    if node is None or product is None:
        return Product((value,))
    return Product(product.factors, product.number, (node, *product.inner))


def agree(numbers: tuple[float | None, ...], wanted: tuple[float, ...]) -> bool:
    """Whether the constants of a subgraph are those of its formula."""
    return all(
        one is not None and isclose(one, other, rel_tol=TOLERANCE)
        for one, other in zip(numbers, wanted, strict=True)
    )


def adds_axes(source: ir.Value, nodes: Iterable[ir.Node]) -> bool:
    """Whether a constant that the nodes read has more axes than `source`: the result has too."""
    known = [
        array for node in nodes for value in node.inputs if (array := constant(value)) is not None
    ]
    axes = 0 if source.shape is None else len(source.shape)
    return any(array.ndim > axes for array in known)
