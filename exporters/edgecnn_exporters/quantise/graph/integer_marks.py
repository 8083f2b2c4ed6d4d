"""Marks of the nodes that a plan computes in integers, as metadata of a QDQ graph.

A node that the plan left in float may still stand between a DequantizeLinear and a QuantizeLinear,
where its neighbours hold 8 bits. Targets that write integer operators themselves ask for the mark.
"""

from __future__ import annotations

import onnx_ir as ir

MARK = "edgecnn.integer"


def mark_integer(node: ir.Node) -> None:
    """Mark a node as computed in integers."""
    node.metadata_props[MARK] = "yes"


def is_marked_integer(node: ir.Node) -> bool:
    """Whether the plan computes the node in integers."""
    return MARK in node.metadata_props
