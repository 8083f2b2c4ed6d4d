"""Shapes, names and attributes of the nodes and values of a static-shape graph."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant


def shape_of(value: ir.Value) -> tuple[int, ...]:
    """The sizes of a value, all of them known."""
    if (array := constant(value)) is not None:
        return tuple(array.shape)
    assert value.shape is not None
    sizes: list[int] = list(value.shape.numpy())
    return tuple(sizes)


def names_of(graph: ir.Graph) -> set[str]:
    """Names of all graph inputs and computed values."""
    computed = (output for node in graph for output in node.outputs)
    return {str(value.name) for value in (*graph.inputs, *computed)}


def attribute(node: ir.Node, name: str, default: Any) -> Any:
    """An attribute of the node, of the kind that the default has."""
    entry = node.attributes.get(name)
    if entry is None:
        return default
    return list(entry.value) if isinstance(default, list) else entry.value
