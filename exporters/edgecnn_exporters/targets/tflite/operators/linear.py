"""Fully connected layers and matrix products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

import numpy as np
import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.targets.tflite import moving
from edgecnn_exporters.targets.tflite.lowering import BUILTIN, Lowering, PlacedTensor
from edgecnn_exporters.targets.tflite.nodes import attribute, shape_of
from edgecnn_exporters.targets.tflite.operators.fusing import fuse
from edgecnn_exporters.targets.tflite.operators.operator import Operator, never
from edgecnn_exporters.targets.tflite.operators.weights import Weight, bias_of, weight_of
from edgecnn_exporters.targets.tflite.scales import has_product_scales
from edgecnn_runtime.arrays import Array

PLAIN = (0, 1)


def connect(low: Lowering, node: ir.Node, integer: bool) -> None:
    """FULLY_CONNECTED. A flattened input keeps its memory order; the weight is permuted."""
    weight = weight_of(low, node, integer=str(node.name) in low.source.integer)
    if not attribute(node, "transB", 0):
        weight = replace(weight.transposed((1, 0)), axis=0)
    data, weight = _rows(low, node, weight, integer=integer)
    if not integer and weight.scale is not None:
        _sum_to_float(low, node, data, weight)
        return
    weight = weight.times(attribute(node, "alpha", 1.0))
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None and not _is_row(bias):
        _add_matrix(low, node, data, weight, bias)
        return
    factor = attribute(node, "beta", 1.0)
    offset = bias_of(low, node, weight, integer=integer, factor=factor)
    options = schema.FullyConnectedOptionsT()
    options.fusedActivationFunction, output = fuse(low, node, integer=integer)
    result = low.write(output, PLAIN, integer=integer)
    low.file.operator(BUILTIN.FULLY_CONNECTED, [data, weight.write(low), offset], [result], options)


def _rows(low: Lowering, node: ir.Node, weight: Weight, *, integer: bool) -> tuple[int, Weight]:
    """(rows, inputs) in memory order, and the weight with its inputs in that order."""
    source = node.inputs[0]
    assert source is not None
    is_rounded = weight.scale is not None and not integer
    placed = low.read_rounded(source) if is_rounded else low.read_as_is(source, integer=integer)
    if attribute(node, "transA", 0):
        return low.arrange(source, placed, PLAIN[::-1]), weight
    order = _columns(placed)
    if order is None:
        return low.arrange(source, placed, PLAIN), weight
    shape = (shape_of(source)[0], weight.array.shape[1])
    return moving.reshape(low.file, placed.tensor, shape), weight.columns(order)


def _is_row(bias: ir.Value) -> bool:
    array = constant(bias)
    return array is not None and (array.ndim < 2 or len(array) == 1)


def _add_matrix(low: Lowering, node: ir.Node, data: int, weight: Weight, addend: ir.Value) -> None:
    """FULLY_CONNECTED, and an ADD of a bias that differs by row or is computed."""
    if attribute(node, "beta", 1.0) != 1.0:
        raise low.refuse(node, "beta multiplies no constant row; multiply its third input before")
    shape = shape_of(node.outputs[0])
    product = low.temporary(f"{node.outputs[0].name}.product", shape, None)
    zeros = low.weight(f"{node.name}.bias", np.zeros(shape[1], np.float32))
    inputs = [data, weight.write(low), zeros]
    low.file.operator(BUILTIN.FULLY_CONNECTED, inputs, [product], schema.FullyConnectedOptionsT())
    options = schema.AddOptionsT()
    options.fusedActivationFunction, output = fuse(low, node, integer=False)
    terms = [product, low.read_operand(addend, 2, PLAIN, integer=False)]
    low.file.operator(BUILTIN.ADD, terms, [low.write(output, PLAIN)], options)


def _sum_to_float(low: Lowering, node: ir.Node, data: int, weight: Weight) -> None:
    """The float result of an integer sum, exact to the last bit as in the QDQ graph.

    TFLite's kernels from 8 bits to float measure the range of what they read and quantise to it.
    Two more inputs of weight 0, the ends of the range that was calibrated, make that range the
    measured one, and their integers those of the encoding.

    Args:
        data: (rows, inputs), float.
        weight: integers, (outputs, inputs).
    """
    source = node.inputs[0]
    assert source is not None
    assert weight.scale is not None
    rows = low.file.shape(data)[0]
    outputs = len(weight.array)
    ends = low.encoding(source).range
    bounds = np.tile(np.array([[ends.low, ends.high]], np.float32), (rows, 1))
    wide = moving.join(low.file, [data, low.numbers(f"{source.name}.ends", bounds)], axis=1)
    integers = np.concatenate([weight.array, np.zeros((outputs, 2), np.int8)], axis=1)
    filters = low.integer_weight(weight.name, integers, np.array(1.0, np.float32))
    nothing = low.numbers(f"{node.name}.no_bias", np.zeros(outputs, np.float32))
    options = schema.FullyConnectedOptionsT()
    options.asymmetricQuantizeInputs = True
    sums, scaled = (
        low.temporary(f"{node.outputs[0].name}.{what}", (rows, outputs), None)
        for what in ("sums", "scaled")
    )
    low.file.operator(BUILTIN.FULLY_CONNECTED, [wide, filters, nothing], [sums], options)
    scale = np.broadcast_to(weight.scale.astype(np.float32), (1, outputs))
    factors = low.numbers(f"{weight.name}.scale", scale)
    low.file.operator(BUILTIN.MUL, [sums, factors], [scaled], schema.MulOptionsT())
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    offsets = np.zeros(outputs, np.float32) if bias is None else bias
    shifts = low.numbers(f"{node.name}.offset", offsets.astype(np.float32).reshape(1, -1))
    added = schema.AddOptionsT()
    added.fusedActivationFunction, output = fuse(low, node, integer=False)
    low.file.operator(BUILTIN.ADD, [scaled, shifts], [low.write(output, PLAIN)], added)


def _columns(placed: PlacedTensor) -> Array | None:
    """Index in the flattened axis of each element in memory; None where rows are not contiguous."""
    view = placed.view
    rows, columns = view.axes
    if view.memory[: len(rows)] != rows:
        return None
    places = np.arange(prod(view.sizes[part] for part in columns))
    shape = [view.sizes[part] for part in columns]
    order = [columns.index(part) for part in view.memory[len(rows) :]]
    column_indices: Array = places.reshape(shape).transpose(order).reshape(-1)
    return column_indices


def _has_encoded_result(low: Lowering, node: ir.Node) -> bool:
    """Whether the result is held in 8 bits, and the weight in integers at scales for the kernel."""
    value = node.inputs[1]
    is_encoded = str(node.outputs[0].name) in low.source.encodings
    is_integer = value is not None and low.integers(value) is not None
    return is_encoded and is_integer and has_product_scales(low, node)


def multiply(low: Lowering, node: ir.Node, integer: bool) -> None:
    """FULLY_CONNECTED with a constant matrix, BATCH_MATMUL of two computed ones."""
    left, right = node.inputs
    assert left is not None
    assert right is not None
    array, shape = constant(right), shape_of(left)
    order = tuple(range(len(shape)))
    output = tuple(range(len(shape_of(node.outputs[0]))))
    if array is not None and array.ndim == 2 and len(shape) >= 2:
        weight = Weight(str(right.name), array.T.astype(np.float32), None, 0)
        zeros = low.weight(f"{node.name}.bias", np.zeros(array.shape[1], np.float32))
        options = schema.FullyConnectedOptionsT()
        options.keepNumDims = True
        inputs = [low.read(left, order), weight.write(low), zeros]
        options.fusedActivationFunction, result = fuse(low, node, integer=False)
        product = low.write(result, output)
        low.file.operator(BUILTIN.FULLY_CONNECTED, inputs, [product], options)
        return
    if len(shape) < 2 or len(shape_of(right)) < 2:
        raise low.refuse(node, "one factor is a vector, expected matrices; unsqueeze it")
    inputs = [low.read(left, order), low.read(right, tuple(range(len(shape_of(right)))))]
    product = low.write(node.outputs[0], output)
    low.file.operator(BUILTIN.BATCH_MATMUL, inputs, [product], schema.BatchMatMulOptionsT())


OPERATORS: Mapping[str, Operator] = {
    "Gemm": Operator(connect, _has_encoded_result),
    "MatMul": Operator(multiply, never),
}
