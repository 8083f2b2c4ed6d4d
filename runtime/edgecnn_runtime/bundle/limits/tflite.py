"""Static limits of a TFLite artefact: foreign operators, loops, buffers, sizes of tensors.

The flatbuffer is walked here as far as its operator codes, buffers and tensors; field numbers are
those of schema.fbs (LiteRT 2.3).
"""

from __future__ import annotations

import math
import struct

from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle.limits.flatbuffer import Flatbuffer
from edgecnn_runtime.errors import BundleUnreadable, ExternalData, OverBudget

_MARK = b"TFL3"
# Fields of tables, by their number in schema.fbs.
_MODEL_OPERATOR_CODES, _MODEL_SUBGRAPHS, _MODEL_BUFFERS = 1, 2, 4
_MODEL_EXTERNAL_GROUPS, _MODEL_EXTERNAL_BUFFERS = 8, 9
_SUBGRAPH_TENSORS, _TENSOR_SHAPE = 0, 0
_CODE_DEPRECATED, _CODE_CUSTOM, _CODE_BUILTIN = 0, 1, 3
_BUFFER_OFFSET, _BUFFER_SIZE = 1, 2
# BuiltinOperator: those whose code is in another library, and those that run another subgraph,
# which may be their own.
_FOREIGN = {32: "CUSTOM", 51: "DELEGATE", 173: "STABLEHLO_CUSTOM_CALL"}
_REPEATING = {
    31: "CALL",
    118: "IF",
    119: "WHILE",
    129: "CALL_ONCE",
    200: "STABLEHLO_WHILE",
    206: "STABLEHLO_COMPOSITE",
}
BYTES_PER_NUMBER = 4


def refuse_unsafe_tflite(model: bytes, name: str, budget: Budget) -> None:
    """Refuse a TFLite artefact that refers to something outside itself, or repeats itself.

    Raises:
        ExternalData: it has an operator of another library, or a buffer outside the file.
        OverBudget: it has an operator that runs another subgraph, or a tensor larger than `budget`.
        BundleUnreadable: the bytes are no TFLite model.
    """
    if model[4:8] != _MARK:
        raise BundleUnreadable(f"{name} does not begin as a TFLite model does")
    file = Flatbuffer(model)
    try:
        root = file.offset(0)
        _check_operators(file, root, name)
        _check_buffers(file, root, name)
        _check_tensors(file, root, name, budget.memory_bytes // BYTES_PER_NUMBER)
    except (struct.error, ValueError) as error:
        raise BundleUnreadable(f"{name} is not a TFLite model: {error}") from error


def _check_operators(file: Flatbuffer, root: int, name: str) -> None:
    for code in file.tables(root, _MODEL_OPERATOR_CODES):
        # Old readers know the deprecated byte alone, new ones take the larger of both.
        for number in (
            file.number(code, _CODE_DEPRECATED, "<b"),
            file.number(code, _CODE_BUILTIN, "<i"),
        ):
            if number in _REPEATING:
                raise OverBudget(
                    f"{name} has the operator {_REPEATING[number]}, which repeats a part of the "
                    "network an unknown number of times"
                )
            if number in _FOREIGN:
                raise ExternalData(
                    f"{name} has the operator {_FOREIGN[number]}, whose code is outside the bundle"
                )
        if file.field(code, _CODE_CUSTOM):
            raise ExternalData(f"{name} has a custom operator, whose code is outside the bundle")


def _check_buffers(file: Flatbuffer, root: int, name: str) -> None:
    for field in (_MODEL_EXTERNAL_GROUPS, _MODEL_EXTERNAL_BUFFERS):
        if any(True for _ in file.tables(root, field)):
            raise ExternalData(f"{name} keeps buffers in other files, which is not allowed")
    for buffer in file.tables(root, _MODEL_BUFFERS):
        offset = file.number(buffer, _BUFFER_OFFSET, "<Q")
        size = file.number(buffer, _BUFFER_SIZE, "<Q")
        if offset > 1 and offset + size > len(file.content):
            raise ExternalData(f"{name} has a buffer of {size} bytes that ends behind the file")


def _check_tensors(file: Flatbuffer, root: int, name: str, most_numbers: int) -> None:
    for subgraph in file.tables(root, _MODEL_SUBGRAPHS):
        for tensor in file.tables(subgraph, _SUBGRAPH_TENSORS):
            numbers = math.prod(file.integers(tensor, _TENSOR_SHAPE))
            if numbers > most_numbers:
                raise OverBudget(
                    f"{name} has a tensor of {numbers:,} numbers; at most {most_numbers:,} are "
                    "allowed"
                )
