"""Reader of a TFLite file as an ONNX graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.diagnose.tflite.fold import FoldIntoGemm
from edgecnn_exporters.diagnose.tflite.operators import ACTIVATIONS, OPERATORS, READERS, clipped
from edgecnn_exporters.diagnose.tflite.reading import (
    Reading,
    assign,
    computed_name,
    graph_of,
    reals_of,
)

OPSET = {"": 20}


@dataclass(frozen=True)
class TfliteGraph:
    """A TFLite file read as an ONNX graph.

    Attributes:
        model: the ONNX model.
        tensors: index of the tensor that holds a value, by the value's name.
        unread: operators without a reader; their outputs are inputs of the model.
        reordered: values whose elements have another order than the tensor's.
    """

    model: ir.Model
    tensors: dict[str, int]
    unread: tuple[str, ...]
    reordered: frozenset[str]


def read_graph(content: bytes) -> TfliteGraph:
    """Read a TFLite file as an ONNX graph."""
    file = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
    reading = Reading(file, file.subgraphs[0])
    for index in map(int, reading.file.inputs):
        _feed(reading, index, reading.name(index))
    for op in reading.file.operators:
        _read(reading, op, file.operatorCodes[op.opcodeIndex].builtinCode)
    model = graph_of(reading, OPSET)
    FoldIntoGemm()(model)
    _remove_unused(model)
    reordered = frozenset(reading.values[index].name or "" for index in reading.joined)
    return TfliteGraph(model, reading.tensors, tuple(reading.unread), reordered)


def _feed(reading: Reading, index: int, name: str) -> None:
    value = ir.Value(name=name, type=ir.TensorType(ir.DataType.FLOAT))
    reading.inputs.append(value)
    assign(reading, index, value)


def _read(reading: Reading, op: Any, code: int) -> None:
    output = int(op.outputs[0])
    if code == schema.BuiltinOperator.QUANTIZE:
        _keep_joined(reading, op, code)
        source = reals_of(reading, int(op.inputs[0]))
        assert source is not None
        assign(reading, output, source)
        return
    reader = READERS.get(code)
    if reader is None or len(op.outputs) > 1:
        reading.unread.append(f"{OPERATORS.get(code, code)} {reading.name(output)}")
        for index in map(int, op.outputs):
            _feed(reading, index, reading.name(index))
        return
    _keep_joined(reading, op, code)
    name = computed_name(reading, output)
    fused = getattr(op.builtinOptions, "fusedActivationFunction", 0) if op.builtinOptions else 0
    if not fused:
        assign(reading, output, reader(reading, op, name))
        return
    before = reader(reading, op, f"{name}.before")
    bounds = ACTIVATIONS[fused]
    if bounds is None:
        assign(reading, output, reading.add("Relu", [before], name))
    else:
        assign(reading, output, clipped(reading, before, *bounds, name))


def _keep_joined(reading: Reading, op: Any, code: int) -> None:
    """Record that an operator without a weight keeps the order of flattened images."""
    joined = reading.joined.get(int(op.inputs[0]))
    is_row = len(reading.shape(int(op.outputs[0]))) == 2
    if joined is not None and is_row and code != schema.BuiltinOperator.FULLY_CONNECTED:
        reading.joined[int(op.outputs[0])] = joined


def _remove_unused(model: ir.Model) -> None:
    """Remove nodes and constants without readers, such as a PAD that became pads of a Conv."""
    for node in reversed(list(model.graph)):
        if not any(value.uses() or value.is_graph_output() for value in node.outputs):
            model.graph.remove(node, safe=True)
    for name, value in list(model.graph.initializers.items()):
        if not value.uses() and not value.is_graph_output():
            del model.graph.initializers[name]
