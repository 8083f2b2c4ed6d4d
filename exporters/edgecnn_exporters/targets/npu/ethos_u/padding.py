"""Padding before a convolution with a large stride, kept apart for Vela."""

from __future__ import annotations

from typing import Any

from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.targets.tflite.editing import (
    builtin_of,
    make_operator,
    pack,
    parse,
    tensor_like,
)

BUILTIN = schema.BuiltinOperator
PADS = frozenset({BUILTIN.PAD, BUILTIN.PADV2})
# The largest stride of a U55 and U65; Vela splits larger ones, of a convolution without padding.
LARGEST_STRIDE = 3
QUANTIZE_VERSION = 2


def keep_padding_apart(content: bytes) -> bytes:
    """A PAD goes through a QUANTIZE that changes nothing before a CONV_2D with a large stride.

    Vela (5.0 to 5.2) joins the two first, finds that a U55 and a U65 have no such convolution, and
    fails: "Non-passthrough operation (Conv2D) could not run on NPU". A QUANTIZE it does not join.
    """
    model = parse(content)
    (graph,) = model.subgraphs
    padded = {
        int(operator.outputs[0])
        for operator in graph.operators
        if builtin_of(model, operator) in PADS
    }
    operators: list[Any] = []
    for operator in graph.operators:
        data = int(operator.inputs[0])
        if data in padded and _has_large_stride(model, operator):
            apart = tensor_like(graph, data, "@apart")
            operator.inputs = [apart, *map(int, operator.inputs[1:])]
            options = schema.QuantizeOptionsT()
            operators.append(
                make_operator(model, BUILTIN.QUANTIZE, QUANTIZE_VERSION, (data,), apart, options)
            )
        operators.append(operator)
    if len(operators) == len(graph.operators):
        return content
    graph.operators = operators
    return pack(model)


def _has_large_stride(model: Any, operator: Any) -> bool:
    if builtin_of(model, operator) != BUILTIN.CONV_2D:
        return False
    options = operator.builtinOptions
    return int(max(options.strideH, options.strideW)) > LARGEST_STRIDE
