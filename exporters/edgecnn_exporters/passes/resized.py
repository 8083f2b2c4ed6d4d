"""Shape inference of images that a Resize makes by a factor."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from edgecnn_exporters.passes.graph import constant, extent, is_operator, new_initialiser
from edgecnn_runtime.arrays import Array


def infer_with_factors(model: ir.Model) -> bool:
    """onnx's shape inference, with the sizes that ONNX Runtime makes; whether it found any shape.

    ONNX Runtime makes ``floor(factor * size)`` in float32: 39 of 30 pixels by 1.3, as PyTorch does.
    onnx computes in float64 with the float32 nearest to 1.3, and says 38. It is asked anew with a
    factor that is larger by a rounding.
    """
    modified = bool(common.ShapeInferencePass()(model).modified)
    given: dict[ir.Node, ir.Value | None] = {}
    while (node := _wrongly_sized(model.graph, given)) is not None:
        given[node] = node.inputs[2]
        larger = new_initialiser(model.graph, f"{node.name}.larger", _larger_factors(node))
        node.replace_input_with(2, larger)
        _infer_anew(model)
    for node, factors in given.items():
        node.replace_input_with(2, factors)
    return modified or bool(given)


def _wrongly_sized(graph: ir.Graph, known: dict[ir.Node, ir.Value | None]) -> ir.Node | None:
    """The first Resize by a factor whose inferred size is another than it makes."""
    for node in graph:
        if is_operator(node, "Resize") and node not in known and _wrong_axes(node):
            return node
    return None


def _wrong_axes(node: ir.Node) -> dict[int, tuple[int, int]]:
    """Sizes (before, after) of the axes that are inferred wrongly, by place in the factors."""
    factors = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    source, result = node.inputs[0], node.outputs[0]
    if factors is None or not factors.size or source is None or source.shape is None:
        return {}
    wrong = {}
    for place, axis in enumerate(node.attributes.get_ints("axes", range(len(factors)))):
        before, inferred = extent(source, axis), extent(result, axis)
        if before is None or inferred is None:
            continue
        made = int(np.float32(factors[place]) * np.float32(before))
        if made != inferred:
            wrong[place] = (before, made)
    return wrong


def _larger_factors(node: ir.Node) -> Array:
    """The factors, enlarged where onnx would infer too small a size from them."""
    factors = constant(node.inputs[2])
    assert factors is not None
    larger: Array = np.array(factors, np.float32)
    for place, (before, made) in _wrong_axes(node).items():
        while int(float(larger[place]) * before) < made:
            larger[place] = np.nextafter(larger[place], np.float32(np.inf))
    return larger


def _infer_anew(model: ir.Model) -> None:
    """Infer all shapes again. An output that nothing is inferred of keeps its shape."""
    outputs = [(value, value.shape) for value in model.graph.outputs]
    for node in model.graph:
        for value in node.outputs:
            value.shape = None
    common.ShapeInferencePass()(model)
    for value, shape in outputs:
        value.shape = shape if value.shape is None else value.shape
