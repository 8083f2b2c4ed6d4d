"""Fusion of an activation into the operator before it."""

from __future__ import annotations

import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.passes.graph import sole_reader
from edgecnn_exporters.targets.tflite.activations import fused_code
from edgecnn_exporters.targets.tflite.lowering import Lowering


def fuse(low: Lowering, node: ir.Node, *, integer: bool) -> tuple[int, ir.Value]:
    """The activation that the operator can compute itself, and the value that it then writes."""
    output = node.outputs[0]
    reader = sole_reader(output)
    if reader is None:
        return schema.ActivationFunctionType.NONE, output
    code = fused_code(reader)
    saturates = integer and str(reader.name) in low.source.integer
    if code is None and not (saturates and reader.op_type in ("Relu", "Clip")):
        return schema.ActivationFunctionType.NONE, output
    if integer and (not saturates or str(output.name) in low.source.encodings):
        return schema.ActivationFunctionType.NONE, output
    low.done.add(str(reader.name))
    return code or schema.ActivationFunctionType.NONE, reader.outputs[0]
