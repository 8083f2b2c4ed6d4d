"""Insertion of new nodes and scalar constants by a rewrite."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import new_initialiser


def insert(graph: ir.Graph, before: ir.Node, operator: str, inputs: Sequence[ir.Value]) -> ir.Value:
    """Insert a new node in front of `before`, and return its output.

    It is named ``<before>.<operator>``. Type and shape are those of the first input, so the others
    must not broadcast it.
    """
    name = _unused(graph, f"{before.name}.{operator.lower()}")
    node = ir.node(operator, inputs, name=name)
    source, output = inputs[0], node.outputs[0]
    output.name, output.type = name, source.type
    output.shape = None if source.shape is None else source.shape.copy()
    graph.insert_before(before, node)
    return output


def number(graph: ir.Graph, name: str, value: float, like: ir.Value) -> ir.Value:
    """A scalar constant in the precision of `like`; equal ones are shared."""
    dtype = np.float32 if like.dtype is None else like.dtype.numpy()
    return new_initialiser(graph, name, np.array(value, dtype))


def _unused(graph: ir.Graph, wanted: str) -> str:
    values = (*graph.inputs, *(value for node in graph for value in node.outputs))
    taken = {*graph.initializers, *(v.name for v in values), *(node.name for node in graph)}
    candidate, count = wanted, 0
    while candidate in taken:
        count += 1
        candidate = f"{wanted}_{count}"
    return candidate
