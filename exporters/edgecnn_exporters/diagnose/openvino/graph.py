"""Reader of an OpenVINO file as an ONNX graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.openvino.encodings import fake_quantise
from edgecnn_exporters.diagnose.openvino.operators import READERS
from edgecnn_exporters.diagnose.openvino.reading import (
    NotReadable,
    Numbers,
    Reading,
    Traced,
    fold,
    settle,
    values_of,
)
from edgecnn_exporters.diagnose.openvino.sums import Operand, traced
from edgecnn_exporters.passes.graph import is_operator
from edgecnn_exporters.targets.openvino.requantise import name_in_units

OPSET = {"": 20}


def read_openvino(model: Any, reference: ir.Model) -> ir.Model:
    """An ``openvino.Model`` as an ONNX graph, its values named as in `reference`.

    Raises:
        NotReadable: it has an operator, or a form of one, that is not translated.
    """
    reading = Reading(reference, values_of(reference), _encoded_names(reference))
    known: dict[tuple[str, int], Operand] = {}
    for op in model.get_ordered_ops():
        kind, port = op.get_type_name(), op.get_friendly_name()
        if kind == "Result":
            continue
        operands = [
            known[each.get_source_output().get_node().get_friendly_name(),
                  each.get_source_output().get_index()]
            for each in op.inputs()
        ]  # fmt: skip
        known[port, 0] = _read(reading, op, operands)
    outputs = []
    for result in model.outputs:
        source = result.get_node().input(0).get_source_output()
        operand = traced(known[source.get_node().get_friendly_name(), source.get_index()])
        outputs.append(settle(reading, operand, result.any_name))
    return _graph(reading, outputs)


def _read(reading: Reading, op: Any, operands: list[Operand]) -> Operand:
    kind = op.get_type_name()
    if kind == "Parameter":
        name = op.output(0).any_name
        value = ir.Value(name=reading.free(name), type=ir.TensorType(ir.DataType.FLOAT))
        extents = op.output(0).get_partial_shape()
        value.shape = ir.Shape(["N", *(d.get_length() for d in list(extents)[1:])])
        reading.inputs.append(value)
        return Traced(value)
    if kind == "Constant":
        return Numbers(op.data)
    if kind == "FakeQuantize":
        return fake_quantise(reading, op, operands)
    # A MaxPool has its indices as a second output.
    if kind not in READERS or (len(op.outputs()) != 1 and kind != "MaxPool"):
        raise NotReadable(f"operator {kind}")
    name = _name(reading, op)
    read = READERS[kind](reading, op, operands, name)
    names = op.output(0).get_names()
    if isinstance(read, Traced) and not reading.encoded.keys() & names:
        own = [each for each in names if each in reading.known]
        is_shared = len(op.output(0).get_target_inputs()) > 1
        is_pending = bool(np.any(read.factor != 1) or np.any(read.offset != 0))
        if own and is_pending:
            # The reference has this number too: what is pending is part of it.
            read = Traced(settle(reading, read, own[0]))
        elif is_shared and is_pending and fold(reading, read.value, read.factor, read.offset):
            read = Traced(read.value)
        if is_shared:
            reading.shared.add(read.value)
    return read


def _name(reading: Reading, op: Any) -> str:
    """The reference's name of a value, or the operator's own."""
    values = reading.known
    for name in sorted(op.output(0).get_names()):
        if name in values:
            return str(name)
    return str(op.get_friendly_name())


def _encoded_names(reference: ir.Model) -> dict[str, tuple[str, str]]:
    """Names of a value and of its 8-bit form, by each name that the latter may have in a file."""
    names: dict[str, tuple[str, str]] = {}
    for node in reference.graph:
        if not is_operator(node, "QuantizeLinear") or node.inputs[0] is None:
            continue
        for use in node.outputs[0].uses():
            back = str(use.node.outputs[0].name)
            pair = str(node.inputs[0].name), back
            for name in (str(node.outputs[0].name), back, name_in_units(back)):
                names[name] = pair
    return names


def _graph(reading: Reading, outputs: list[ir.Value]) -> ir.Model:
    constants: dict[str, ir.Value] = {}
    for node in reading.nodes:
        for value in node.inputs:
            if value is not None and value.const_value is not None:
                constants[str(value.name)] = value
    graph = ir.Graph(
        reading.inputs,
        outputs,
        nodes=reading.nodes,
        initializers=list(constants.values()),
        opset_imports=dict(OPSET),
        name="openvino",
    )
    return ir.Model(graph, ir_version=10)
