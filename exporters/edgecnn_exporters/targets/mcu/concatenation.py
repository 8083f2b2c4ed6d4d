"""Concatenations of many inputs, split for TensorFlow Lite Micro."""

from __future__ import annotations

from typing import Any

# TFLM's kernel of CONCATENATION (kernels/concatenation.cc, kMaxInputNum).
MOST_INPUTS = 10


def split_concatenations(content: bytes) -> bytes:
    """A CONCATENATION of more than ten inputs becomes several of ten at most.

    All of them copy integers of one encoding, so that the result is the same. DenseNet joins the
    maps of all layers of a block. A file that has none is returned as it is.
    """
    from ai_edge_litert import schema_py_generated as schema

    from edgecnn_exporters.targets.tflite.editing import builtin_of, pack, parse

    model = parse(content)
    (graph,) = model.subgraphs
    operators: list[Any] = []
    for operator in graph.operators:
        if builtin_of(model, operator) == schema.BuiltinOperator.CONCATENATION:
            operators += _split(model, graph, operator)
        operators.append(operator)
    if len(operators) == len(graph.operators):
        return content
    graph.operators = operators
    return pack(model)


def _split(model: Any, graph: Any, operator: Any) -> list[Any]:
    """The operators that join the first inputs; the last one, `operator`, joins the rest."""
    from edgecnn_exporters.targets.tflite.editing import make_operator, tensor_like

    code = model.operatorCodes[operator.opcodeIndex]
    options, result = operator.builtinOptions, int(operator.outputs[0])
    axis = options.axis % len(graph.tensors[result].shape)
    inputs = [int(index) for index in operator.inputs]
    before: list[Any] = []
    while len(inputs) > MOST_INPUTS:
        first, inputs = inputs[:MOST_INPUTS], inputs[MOST_INPUTS:]
        shape = [int(size) for size in graph.tensors[result].shape]
        shape[axis] = sum(int(graph.tensors[index].shape[axis]) for index in first)
        part = tensor_like(graph, result, f"@part{len(before)}", shape)
        builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
        before.append(make_operator(model, builtin, code.version, first, part, options))
        inputs = [part, *inputs]
    operator.inputs = inputs
    return before
