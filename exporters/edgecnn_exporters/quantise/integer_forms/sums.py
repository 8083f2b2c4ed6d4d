"""Folding of an activation's scale and offset into the Conv or Gemm before it."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_operator, is_set, set_constant
from edgecnn_exporters.passes.moments import rescale_note
from edgecnn_runtime.arrays import Array


def sum_before(value: ir.Value, readers: Collection[ir.Node]) -> ir.Node | None:
    """The Conv or Gemm with constant weights that computes `value` for these readers alone.

    A Gemm that scales its bias is none: what is added to it would be scaled too.
    """
    node = value.producer()
    if node is None or value.is_graph_output() or not is_operator(node, "Conv", "Gemm"):
        return None
    if any(use.node not in readers for use in value.uses()):
        return None
    parameters = [given for given in node.inputs[1:] if given is not None]
    is_known = all(constant(given) is not None for given in parameters)
    scales_bias = is_operator(node, "Gemm") and node.attributes.get_float("beta", 1.0) != 1
    return None if not is_known or scales_bias else node


def rescale(graph: ir.Graph, node: ir.Node, factor: float, offset: float = 0.0) -> None:
    """Rescale the output x of a `sum_before` to ``factor · x + offset``.

    ``W' = factor W`` and ``b' = factor b + offset``.
    """
    weight = constant(node.inputs[1])
    assert weight is not None
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    rescale_note(node.outputs[0], factor, offset)
    # In float64, and rounded once.
    scaled = (factor * weight.astype(np.float64)).astype(weight.dtype)
    set_constant(graph, node, 1, scaled, f"{node.name}.weight")
    if bias is None and offset == 0:
        return
    before = np.zeros(_outputs(node, weight)) if bias is None else bias.astype(np.float64)
    shifted = (factor * before + offset).astype(weight.dtype)
    set_constant(graph, node, 2, shifted, f"{node.name}.bias")


def _outputs(node: ir.Node, weight: Array) -> int:
    is_transposed = is_operator(node, "Conv") or is_set(node, "transB")
    return int(weight.shape[0 if is_transposed else 1])
