"""Fixed-point form of an integer TFLite file: LiteRT's reference kernels round as TOSA does."""

from __future__ import annotations

import math
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.targets.tflite.editing import (
    builtin_of,
    make_operator,
    pack,
    parse,
    tensor_like,
)

BUILTIN, INT8 = schema.BuiltinOperator, schema.TensorType.INT8
# Of the operators for int8, and the lowest that every runtime knows.
CONVOLUTION_VERSION, RESHAPE_VERSION = 3, 1


def fixed_point_form(content: bytes) -> tuple[bytes, int]:
    """The file with each FULLY_CONNECTED in 8 bits as a CONV_2D of one pixel, and their number.

    Sums and scales are the same, the rounding is not. LiteRT's reference kernel of FULLY_CONNECTED
    multiplies a sum by a float and rounds once (LiteRT issue 8567); its other kernels, and TOSA,
    multiply by an integer and round twice. One result in some thousands is a step away.
    """
    model = parse(content)
    (graph,) = model.subgraphs
    operators: list[Any] = []
    for operator in graph.operators:
        if _is_integer_fully_connected(model, graph, operator):
            operators += _convolution(model, graph, operator)
        else:
            operators.append(operator)
    count = (len(operators) - len(graph.operators)) // 2
    if not count:
        return content, 0
    graph.operators = operators
    return pack(model), count


def _is_integer_fully_connected(model: Any, graph: Any, operator: Any) -> bool:
    if builtin_of(model, operator) != BUILTIN.FULLY_CONNECTED:
        return False
    data, weight, *_ = (graph.tensors[index] for index in operator.inputs)
    (result,) = (graph.tensors[index] for index in operator.outputs)
    is_constant = model.buffers[weight.buffer].data is not None
    return is_constant and data.type == weight.type == result.type == INT8


def _convolution(model: Any, graph: Any, operator: Any) -> list[Any]:
    """RESHAPE to images of one pixel, CONV_2D, RESHAPE to rows."""
    data, weight, *bias = map(int, operator.inputs)
    (result,) = map(int, operator.outputs)
    filters, channels = map(int, graph.tensors[weight].shape)
    rows = math.prod(map(int, graph.tensors[data].shape)) // channels
    image = tensor_like(graph, data, "@image", (rows, 1, 1, channels))
    kernel = tensor_like(graph, weight, "@kernel", (filters, 1, 1, channels))
    pixels = tensor_like(graph, result, "@pixels", (rows, 1, 1, filters))
    options = schema.Conv2DOptionsT()
    options.padding = schema.Padding.VALID
    options.strideH = options.strideW = 1
    options.fusedActivationFunction = operator.builtinOptions.fusedActivationFunction
    inputs = (image, kernel, *bias)
    return [
        _reshape(model, graph, data, image),
        make_operator(model, BUILTIN.CONV_2D, CONVOLUTION_VERSION, inputs, pixels, options),
        _reshape(model, graph, pixels, result),
    ]


def _reshape(model: Any, graph: Any, source: int, result: int) -> Any:
    options = schema.ReshapeOptionsT()
    options.newShape = [int(size) for size in graph.tensors[result].shape]
    return make_operator(model, BUILTIN.RESHAPE, RESHAPE_VERSION, (source,), result, options)
