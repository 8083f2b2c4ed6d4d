"""Fusion of an activation into the operator before it."""

from __future__ import annotations

import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.passes.graph import sole_reader
from edgecnn_exporters.targets.tflite.activations import activation_code, clip_bounds
from edgecnn_exporters.targets.tflite.lowering import Lowering


def fuse(low: Lowering, node: ir.Node, *, integer: bool) -> tuple[int, ir.Value]:
    """The activation that the operator can compute itself, and the value that it then writes.

    In integers that is a clip of a value that is held nowhere else.
    """
    output = node.outputs[0]
    nothing = schema.ActivationFunctionType.NONE, output
    reader = sole_reader(output)
    bounds = clip_bounds(reader) if reader is not None else None
    if reader is None or bounds is None:
        return nothing
    if integer and str(output.name) not in low.source.unheld:
        return nothing
    code = activation_code(bounds, low.encoding(output) if integer else None)
    if code is None:
        return nothing
    low.done.add(str(reader.name))
    return code, reader.outputs[0]
