"""The schema's smaller tables: buffers, operator codes and the signature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ai_edge_litert import schema_py_generated as schema

SIGNATURE = "serving_default"
# Kernels read weights where they lie in the file, with loads of 16 bytes.
ALIGNMENT = 16


class AlignedBuffer(schema.BufferT):  # type: ignore[misc] # the schema carries no types
    """A buffer whose bytes begin at a multiple of `ALIGNMENT`: the schema asks for it."""

    def Pack(self, builder: Any) -> Any:  # noqa: N802 # the schema's name
        vector = None
        if self.data is not None:
            count = len(self.data)
            builder.StartVector(1, count, ALIGNMENT)
            builder.head -= count
            builder.Bytes[builder.head : builder.head + count] = memoryview(self.data)
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if vector is not None:
            schema.BufferAddData(builder, vector)
        return schema.BufferEnd(builder)


def code_of(builtin: int, version: int) -> Any:
    """The entry of an operator."""
    made = schema.OperatorCodeT()
    made.builtinCode = builtin
    # The field of the first schema has 8 bits; newer readers take the larger of both.
    made.deprecatedBuiltinCode = min(
        builtin, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES
    )
    made.version = version
    return made


def signature_of(inputs: Mapping[str, int], outputs: Mapping[str, int]) -> Any:
    """The names by which an application finds inputs and outputs."""
    made = schema.SignatureDefT()
    made.signatureKey, made.subgraphIndex = SIGNATURE, 0
    made.inputs, made.outputs = _entries(inputs), _entries(outputs)
    return made


def _entries(tensors: Mapping[str, int]) -> list[Any]:
    found = []
    for name, index in tensors.items():
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name, index
        found.append(entry)
    return found
