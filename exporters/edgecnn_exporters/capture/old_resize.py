"""Resizing as Upsample, and Resize of opset 10, define it, in the words of today's Resize."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_operator, new_initialiser
from edgecnn_runtime.arrays import Array

# The first opset whose Resize says which pixels it reads, and the first without one of the ways.
FIRST_WITH_MODES = 11
FIRST_WITHOUT_TF_HALF_PIXEL = 13


def restore_resizing(model: ir.Model, opset: int) -> None:
    """Every Resize, converted from an older `opset`, says how the original places pixels.

    The pixel of Upsample, and of Resize before opset 11, is x / scale (``asymmetric``); the nearest
    one is below it (``floor``) where the image grows, and above it (``ceil``) along an axis that
    shrinks, as ONNX Runtime computes them. onnx's version converter leaves the defaults of opset
    11, which place pixels by their centres. A nearest Resize that does both becomes two. Scales
    that are computed are taken for growth.

    ``tf_half_pixel_for_nn`` before opset 13 with ``floor`` is floor((x + 1/2) / scale), which
    ``half_pixel`` with ``round_prefer_ceil`` is too.
    """
    for node in list(ir.traversal.RecursiveGraphIterator(model.graph)):
        if not is_operator(node, "Resize"):
            continue
        if opset < FIRST_WITH_MODES:
            _place(node)
        elif opset < FIRST_WITHOUT_TF_HALF_PIXEL and _is_tf_half_pixel(node):
            _set(node, "coordinate_transformation_mode", "half_pixel")
            _set(node, "nearest_mode", "round_prefer_ceil")


def _is_tf_half_pixel(node: ir.Node) -> bool:
    return (
        node.attributes.get_string("coordinate_transformation_mode", "") == "tf_half_pixel_for_nn"
        and node.attributes.get_string("nearest_mode", "") == "floor"
        and node.attributes.get_string("mode", "nearest") == "nearest"
    )


def _set(node: ir.Node, name: str, value: str) -> None:
    node.attributes[name] = ir.AttrString(name, value)


def _place(node: ir.Node) -> None:
    _set(node, "coordinate_transformation_mode", "asymmetric")
    if node.attributes.get_string("mode", "nearest") != "nearest":
        return
    scales = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    shrinks = scales is not None and bool((scales < 1).any())
    _set(node, "nearest_mode", "ceil" if shrinks else "floor")
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
