"""Editing of a TFLite file: operators and tensors of the schema's classes."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.targets.tflite.flatbuffer import IDENTIFIER
from edgecnn_exporters.targets.tflite.tables import AlignedBuffer, code_of


def parse(content: bytes) -> Any:
    """The file as the schema's `ModelT`."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))


def pack(model: Any) -> bytes:
    """The file of a `ModelT`, its constants aligned."""
    model.buffers = [_aligned(buffer) for buffer in model.buffers]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def builtin_of(model: Any, operator: Any) -> int:
    """Which of the schema's `BuiltinOperator` it is."""
    return _builtin(model.operatorCodes[operator.opcodeIndex])


def make_operator(
    model: Any,
    builtin: int,
    version: int,
    inputs: Sequence[int],
    result: int,
    options: Any,
) -> Any:
    """An operator with one result. Its code is added to the file where that has none of it."""
    operator = schema.OperatorT()
    operator.opcodeIndex = _code(model, builtin, version)
    operator.inputs, operator.outputs = list(inputs), [result]
    kind = type(options).__name__.removesuffix("T")
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
    operator.builtinOptions = options
    return operator


def tensor_like(graph: Any, index: int, suffix: str, shape: Sequence[int] | None = None) -> int:
    """A tensor like another one, with a longer name; a constant shares its values."""
    tensor = copy(graph.tensors[index])
    tensor.name = tensor.name + suffix.encode()
    if shape is not None:
        tensor.shape, tensor.shapeSignature = list(shape), None
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _code(model: Any, builtin: int, version: int) -> int:
    for index, code in enumerate(model.operatorCodes):
        if _builtin(code) == builtin:
            return index
    model.operatorCodes.append(code_of(builtin, version))
    return len(model.operatorCodes) - 1


def _builtin(code: Any) -> int:
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def _aligned(buffer: Any) -> AlignedBuffer:
    aligned = AlignedBuffer()
    if buffer.data is not None and len(buffer.data):
        aligned.data = np.ascontiguousarray(buffer.data, np.uint8)
    return aligned
