"""BatchNormalization that is not folded, and local response normalisation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.targets.tflite.lowering import BUILTIN, Lowering
from edgecnn_exporters.targets.tflite.nodes import attribute, shape_of
from edgecnn_exporters.targets.tflite.operators.fusing import fuse
from edgecnn_exporters.targets.tflite.operators.operator import Operator, never
from edgecnn_exporters.targets.tflite.operators.windows import NHWC


def normalise_batch(low: Lowering, node: ir.Node, integer: bool) -> None:
    """``gamma (x - mean) / sqrt(var + epsilon) + beta`` as one MUL and one ADD."""
    source = node.inputs[0]
    if attribute(node, "training_mode", 0):
        raise low.refuse(node, "it is in training mode; export the network after eval()")
    arrays = [constant(value) for value in node.inputs[1:5]]
    if source is None or any(array is None for array in arrays):
        raise low.refuse(node, "its statistics are computed, expected constants")
    gamma, beta, mean, variance = (np.asarray(array, np.float64) for array in arrays)
    scale = gamma / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
    order, rank = low.order_of(source), len(shape_of(source))
    wide = [-1 if axis == 1 else 1 for axis in range(rank)]
    factor, offset = (
        each.astype(np.float32).reshape(wide).transpose(order)
        for each in (scale, beta - mean * scale)
    )
    data = low.read(source, order)
    scaled = low.temporary(f"{node.outputs[0].name}.scaled", low.file.shape(data), None)
    low.file.operator(
        BUILTIN.MUL,
        [data, low.numbers(f"{node.name}.factor", factor)],
        [scaled],
        schema.MulOptionsT(),
    )
    options = schema.AddOptionsT()
    options.fusedActivationFunction, output = fuse(low, node, integer=False)
    inputs = [scaled, low.numbers(f"{node.name}.offset", offset)]
    low.file.operator(BUILTIN.ADD, inputs, [low.write(output, order)], options)


def normalise_response(low: Lowering, node: ir.Node, integer: bool) -> None:
    """LOCAL_RESPONSE_NORMALIZATION, whose alpha scales the sum of squares, not their mean."""
    source = node.inputs[0]
    assert source is not None
    size = attribute(node, "size", 1)
    if size % 2 == 0:
        raise low.refuse(node, f"its window of {size} channels is even, TFLite's are odd")
    if len(shape_of(source)) != 4:
        raise low.refuse(node, "only images with two axes are normalised")
    options = schema.LocalResponseNormalizationOptionsT()
    options.radius = size // 2
    options.bias = attribute(node, "bias", 1.0)
    options.alpha = attribute(node, "alpha", 1e-4) / size
    options.beta = attribute(node, "beta", 0.75)
    data = low.read(source, NHWC)
    result = low.write(node.outputs[0], NHWC)
    low.file.operator(BUILTIN.LOCAL_RESPONSE_NORMALIZATION, [data], [result], options)


OPERATORS: Mapping[str, Operator] = {
    "BatchNormalization": Operator(normalise_batch, never),
    "LRN": Operator(normalise_response, never),
}
