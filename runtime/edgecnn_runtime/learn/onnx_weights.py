"""Replacement of an ONNX model's weights, in its bytes, without the onnx package."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle.limits.onnx_schema import (
    ENTRY,
    GRAPH,
    MODEL,
    SHAPE,
    TENSOR,
    TENSOR_TYPE,
    TYPE,
    VALUE_INFO,
)
from edgecnn_runtime.bundle.limits.protobuf import (
    Field,
    MessageReader,
    Part,
    write_field,
    write_number,
)

# onnx.proto: numbers of fields.
_GRAPH, _INITIALISER, _OUTPUT, _VALUE = 7, 5, 12, 13
_DIMS, _DTYPE, _NAME, _RAW = 1, 2, 8, 9
# What a tensor has beside its name and numbers: notes.
_TENSOR_NOTES = frozenset({12, 16})
_VALUE_NAME, _VALUE_TYPE, _VALUE_NOTES = 1, 2, 4
_TENSOR_TYPE, _TENSOR_SHAPE, _EXTENT, _EXTENT_NUMBER, _ENTRY_KEY = 1, 2, 1, 1, 1
# onnx.proto, TensorProto.DataType.
_DTYPES = {
    "float32": 1,
    "uint8": 2,
    "int8": 3,
    "int32": 6,
    "int64": 7,
    "float16": 10,
}
_DTYPE_NAMES = {number: name for name, number in _DTYPES.items()}
# Fields of a TensorProto with numbers: float_data; int32_data and int64_data.
_FLOATS, _INTEGERS = 4, (5, 7)
# The exporter's notes on values: 8-bit encodings of float results, which learning makes stale.
_NOTES = b"edgecnn."


def replace_weights(
    model: bytes, tensors: Mapping[str, Array], classes: Mapping[str, int] | None = None
) -> bytes:
    """The model with other initialisers: numbers, shape and type.

    All else is copied byte by byte, but for notes that no longer hold: encodings of results and,
    where the number of classes changes, the shapes of values between the nodes.

    Args:
        tensors: by the initialiser's name.
        classes: last extent of an output by its name, where it changes.

    Raises:
        ValueError: the model is no ONNX message, or lacks an initialiser or an output.
    """
    return _Rewrite(model, tensors, classes or {}).model()


def read_weights(model: bytes, names: Collection[str]) -> dict[str, Array]:
    """Some initialisers of a model by name, as far as they are of the types of weights.

    Raises:
        ValueError: the model is no ONNX message, or lacks one of them.
    """
    reader, found = MessageReader(model), dict[str, Array]()
    for field in reader.fields(0, len(model), MODEL):
        if field.number != _GRAPH:
            continue
        for one in reader.fields(field.begin, field.end, GRAPH):
            if one.number == _INITIALISER:
                parts = [*reader.fields(one.begin, one.end, TENSOR)]
                name = next((_text(model, part) for part in parts if part.number == _NAME), "")
                if name in names:
                    found[name] = _numbers(reader, parts)
    if missing := set(names) - set(found):
        raise ValueError(f"the graph has no initialiser {min(missing)!r}")
    return found


def _numbers(reader: MessageReader, parts: list[Field]) -> Array:
    """The array of a TensorProto: of raw_data, or of the field of its type."""
    shape, dtype, raw = list[int](), "", list[bytes]()
    listed = list[int]()
    for part in parts:
        content = reader.buffer[part.begin : part.end]
        if part.number == _DIMS:
            shape += reader.varints(part.begin, part.end) if part.end else [part.value]
        elif part.number == _DTYPE:
            dtype = _DTYPE_NAMES.get(part.value, "")
        elif part.number in (_RAW, _FLOATS):
            raw.append(content)
        elif part.number in _INTEGERS:
            listed += reader.varints(part.begin, part.end) if part.end else [part.value]
    if not dtype:
        raise ValueError("an initialiser is of no type that weights have")
    if listed:
        # Negative numbers are written as those of 64 bits.
        flat = np.array(listed, np.uint64).astype(np.int64).astype(dtype)
    else:
        flat = np.frombuffer(b"".join(raw), np.dtype(dtype).newbyteorder("<")).astype(dtype)
    return flat.reshape(shape)


class _Rewrite:
    def __init__(
        self, model: bytes, tensors: Mapping[str, Array], classes: Mapping[str, int]
    ) -> None:
        self._buffer = model
        self._reader = MessageReader(model)
        self._tensors, self._classes = tensors, classes
        self._left = {*tensors, *classes}

    def model(self) -> bytes:
        parts: list[Part] = []
        for field, written in self._fields(0, len(self._buffer), MODEL):
            if field.number == _GRAPH:
                parts += write_field(_GRAPH, self._graph(field))
            else:
                parts.append(written)
        if self._left:
            raise ValueError(f"the graph has no initialiser or output {min(self._left)!r}")
        return b"".join(parts)

    def _fields(
        self, begin: int, end: int, schema: Mapping[int, Any]
    ) -> Iterator[tuple[Field, memoryview]]:
        return self._reader.written(begin, end, schema)

    def _graph(self, message: Field) -> Iterator[Part]:
        for field, written in self._fields(message.begin, message.end, GRAPH):
            if field.number == _INITIALISER:
                yield from self._initialiser(field, written)
            elif field.number == _OUTPUT:
                yield from write_field(_OUTPUT, self._value(field))
            elif field.number == _VALUE:
                if not self._classes:
                    yield from write_field(_VALUE, self._value(field))
            else:
                yield written

    def _initialiser(self, message: Field, written: memoryview) -> list[Part]:
        fields = [*self._fields(message.begin, message.end, TENSOR)]
        name = self._name(fields, _NAME)
        if name not in self._tensors:
            return [written]
        self._left.discard(name)
        array = self._tensors[name]
        notes = [part for one, part in fields if one.number in _TENSOR_NOTES]
        return write_field(_INITIALISER, _tensor(name, array, notes))

    def _value(self, message: Field) -> Iterator[Part]:
        """A value's name, type and notes; of an output of other classes, with their number."""
        fields = [*self._fields(message.begin, message.end, VALUE_INFO)]
        name = self._name(fields, _VALUE_NAME)
        for field, written in fields:
            if field.number == _VALUE_NOTES and self._is_stale(field):
                continue
            if field.number == _VALUE_TYPE and name in self._classes:
                self._left.discard(name)
                yield from write_field(_VALUE_TYPE, self._type(field, self._classes[name]))
            else:
                yield written

    def _name(self, fields: list[tuple[Field, memoryview]], number: int) -> str:
        return next((_text(self._buffer, one) for one, _ in fields if one.number == number), "")

    def _is_stale(self, entry: Field) -> bool:
        return any(
            field.number == _ENTRY_KEY and self._buffer[field.begin : field.end].startswith(_NOTES)
            for field, _ in self._fields(entry.begin, entry.end, ENTRY)
        )

    def _type(self, message: Field, classes: int) -> Iterator[Part]:
        for field, written in self._fields(message.begin, message.end, TYPE):
            if field.number == _TENSOR_TYPE:
                yield from write_field(_TENSOR_TYPE, self._tensor_type(field, classes))
            else:
                yield written

    def _tensor_type(self, message: Field, classes: int) -> Iterator[Part]:
        for field, written in self._fields(message.begin, message.end, TENSOR_TYPE):
            if field.number != _TENSOR_SHAPE:
                yield written
                continue
            extents = [part for _, part in self._fields(field.begin, field.end, SHAPE)]
            last = write_field(_EXTENT, [write_number(_EXTENT_NUMBER, classes)])
            yield from write_field(_TENSOR_SHAPE, [*extents[:-1], *last])


def _text(buffer: bytes, field: Field) -> str:
    return buffer[field.begin : field.end].decode()


def _tensor(name: str, array: Array, notes: list[memoryview]) -> Iterator[Part]:
    """The fields of a TensorProto, in the order of their numbers, its numbers in raw_data."""
    for extent in array.shape:
        yield write_number(_DIMS, extent)
    yield write_number(_DTYPE, _DTYPES[array.dtype.name])
    yield from write_field(_NAME, [name.encode()])
    little = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
    yield from write_field(_RAW, [little.tobytes()])
    yield from notes
