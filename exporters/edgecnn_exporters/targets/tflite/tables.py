"""The schema's smaller tables: buffers, operator codes and the signature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ai_edge_litert import schema_py_generated as schema

SIGNATURE = "serving_default"
# Kernels read weights from the mapped file, with loads of 16 bytes.
ALIGNMENT = 16


class AlignedBuffer(schema.BufferT):  # type: ignore[misc] # the schema carries no types
    """A buffer whose bytes begin at a multiple of `ALIGNMENT`, as the schema requires."""

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
    """The operator code of one version of an operator."""
    entry = schema.OperatorCodeT()
    entry.builtinCode = builtin
    # The field of the first schema has 8 bits; newer readers take the larger of both.
    entry.deprecatedBuiltinCode = min(
        builtin, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES
    )
    entry.version = version
    return entry


def signature_of(inputs: Mapping[str, int], outputs: Mapping[str, int]) -> Any:
    """The signature: the names by which an application finds inputs and outputs."""
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = SIGNATURE, 0
    signature.inputs, signature.outputs = _entries(inputs), _entries(outputs)
    return signature


def _entries(tensors: Mapping[str, int]) -> list[Any]:
    entries = []
    for name, index in tensors.items():
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name, index
        entries.append(entry)
    return entries
