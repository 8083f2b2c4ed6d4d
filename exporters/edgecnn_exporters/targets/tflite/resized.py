"""Sizes of images that a Resize makes by a factor."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_operator, new_initialiser
from edgecnn_exporters.passes.shapes import InferShapes
from edgecnn_runtime.arrays import Array


def give_sizes(model: ir.Model) -> dict[str, Array]:
    """Give every Resize by a constant factor the size of its result, and return the factors.

    ONNX Runtime makes ``floor(factor * size)`` in float32: 39 of 30 pixels by 1.3, as PyTorch. The
    shape inference of onnx computes in float64 with the float32 nearest to 1.3, and says 38.

    Returns:
        A factor for each axis, by the node's name: they still say which pixels are near.
    """
    factors = {}
    for node in [node for node in model.graph if is_operator(node, "Resize")]:
        scales = _scales(node)
        before = node.inputs[0].shape if node.inputs[0] is not None else None
        if scales is None or before is None or not before.is_static():
            continue
        sizes = np.array(before.numpy(), np.float32)
        made = np.floor(sizes * scales).astype(np.int64)
        given = new_initialiser(model.graph, f"{node.name}.sizes", made)
        node.resize_inputs(4)
        node.replace_input_with(2, None)
        node.replace_input_with(3, given)
        node.attributes.pop("axes", None)
        factors[str(node.name)] = scales
        after = node.outputs[0].shape
        if after is None or list(after) != made.tolist():
            _infer_anew(model)
    return factors


def _infer_anew(model: ir.Model) -> None:
    """Infer all shapes, those of the outputs too: they may come of the same mistake."""
    for output in model.graph.outputs:
        if output.producer() is not None:
            output.shape = None
    InferShapes()(model)


def _scales(node: ir.Node) -> Array | None:
    """The factor for each axis of a Resize, float32; None where it is given a size."""
    scales = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    source = node.inputs[0]
    if scales is None or not scales.size or source is None or source.shape is None:
        return None
    rank = len(source.shape)
    axes = node.attributes.get_ints("axes", range(rank))
    whole = np.ones(rank, np.float32)
    whole[[axis % rank for axis in axes]] = scales
    return whole
