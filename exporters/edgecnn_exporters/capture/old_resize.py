"""Resizing as Upsample, and Resize of opset 10, define it, in the words of today's Resize."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_operator, new_initialiser
from edgecnn_runtime.arrays import Array

# The first opset whose Resize says which pixels it reads.
FIRST_WITH_MODES = 11


def restore_resizing(model: ir.Model) -> None:
    """Every Resize says how the operators of opset 10 and older, which it was, place pixels.

    Their pixel is x / scale (``asymmetric``); the nearest one is below it (``floor``) where the
    image grows, and above it (``ceil``) along an axis that shrinks, as ONNX Runtime computes them.
    onnx's version converter leaves the defaults of opset 11, which place pixels by their centres.
    A nearest Resize that does both becomes two. Scales that are computed are taken for growth.
    """
    for node in list(ir.traversal.RecursiveGraphIterator(model.graph)):
        if is_operator(node, "Resize") and "coordinate_transformation_mode" not in node.attributes:
            _place(node)


def _place(node: ir.Node) -> None:
    node.attributes["coordinate_transformation_mode"] = ir.AttrString(
        "coordinate_transformation_mode", "asymmetric"
    )
    if node.attributes.get_string("mode", "nearest") != "nearest":
        return
    scales = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    shrinks = scales is not None and bool((scales < 1).any())
    node.attributes["nearest_mode"] = ir.AttrString("nearest_mode", "ceil" if shrinks else "floor")
    if scales is not None and shrinks and bool((scales > 1).any()):
        _grow_first(node, scales)


def _grow_first(node: ir.Node, scales: Array) -> None:
    """The node shrinks what a new Resize before it has grown."""
    graph, source, shrinking = node.graph, node.inputs[0], node.outputs[0]
    assert isinstance(graph, ir.Graph)
    assert source is not None
    name = f"{shrinking.name}.grown"
    larger = new_initialiser(graph, f"{name}.scales", np.maximum(scales, 1).astype(np.float32))
    smaller = new_initialiser(graph, f"{shrinking.name}.scales", np.minimum(scales, 1))
    attributes = [*node.attributes.values(), ir.AttrString("nearest_mode", "floor")]
    grow = ir.Node("", "Resize", [source, None, larger], attributes, name=name)
    grow.outputs[0].name, grow.outputs[0].type = name, source.type
    graph.insert_before(node, grow)
    node.replace_input_with(0, grow.outputs[0])
    node.replace_input_with(2, smaller)
