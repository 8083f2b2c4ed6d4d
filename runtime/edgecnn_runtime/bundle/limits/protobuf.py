"""Strict reader of protobuf messages: it accepts the one form that serialisers write. A writer.

Protobuf readers differ in what else they accept. C++'s keeps 32 bits of a key where others keep 64,
merges a message that is given twice, and skips groups: bytes that pass a check in one reading mean
something else in the other. What no serialiser writes is refused, so that only one reading is left:
shortest varints, known fields with the wire type of the schema, singular fields once, no groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

# A network of 10,000 nodes has about 300,000 fields; a million take about a second.
MAX_FIELDS = 1_000_000
_KEY_BYTES, _VALUE_BYTES = 5, 10
_FIXED_SIZES = {1: 8, 5: 4}


Part = bytes | memoryview


class FieldType(NamedTuple):
    """Type of a field: its wire type, and whether it may be given several times."""

    wire_type: int
    is_repeated: bool = False


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        value: of a varint; else 0.
        begin, end: position of the bytes of any other field; 0 of a varint.
        key: position of the field itself, its number and length included.
    """

    number: int
    value: int
    begin: int
    end: int
    key: int


class MessageReader:
    """Reader of the fields of one buffer, of at most `MAX_FIELDS` in all its messages."""

    def __init__(self, buffer: bytes) -> None:
        self.buffer = buffer
        self._fields = 0

    def fields(self, begin: int, end: int, schema: Mapping[int, FieldType]) -> Iterator[Field]:
        """Fields of the message at ``buffer[begin:end]``, in order.

        Raises:
            ValueError: the bytes are not what a serialiser writes for `schema`.
        """
        buffer, seen, position = self.buffer, 0, begin
        while position < end:
            start, key = position, buffer[position]
            position += 1
            if key > 0x7F:  # a field above 15
                key, position = self.varint(position - 1, end, _KEY_BYTES)
            number, wire_type = key >> 3, key & 7
            expected = schema.get(number)
            if expected is None:
                raise ValueError(f"field {number} is unknown")
            # Every parser accepts numbers that may be repeated in both forms.
            if wire_type != expected[0] and not (wire_type == 2 and expected[1]):
                raise ValueError(f"field {number} has wire type {wire_type}")
            if not expected[1]:
                if seen >> number & 1:
                    raise ValueError(f"field {number} is there twice")
                seen |= 1 << number
            self._count()
            if wire_type == 0:
                value, position = self.varint(position, end, _VALUE_BYTES)
                yield Field(number, value, 0, 0, start)
                continue
            size = _FIXED_SIZES.get(wire_type)
            if size is None:
                size, position = self.varint(position, end, _KEY_BYTES)
            if size > end - position:
                raise ValueError("a field is longer than its message")
            yield Field(number, 0, position, position + size, start)
            position += size

    def written(
        self, begin: int, end: int, schema: Mapping[int, FieldType]
    ) -> Iterator[tuple[Field, memoryview]]:
        """Fields of the message at ``buffer[begin:end]``, each with its bytes, key included.

        Raises:
            ValueError: as `fields` says.
        """
        view, fields = memoryview(self.buffer), [*self.fields(begin, end, schema)]
        stops = [*(field.key for field in fields[1:]), end]
        for field, stop in zip(fields, stops, strict=True):
            yield field, view[field.key : stop]

    def varint(self, position: int, end: int, most_bytes: int) -> tuple[int, int]:
        """The number at `position` in its shortest form, and the position behind it.

        Raises:
            ValueError: it is longer than it need be, or than `most_bytes`.
        """
        buffer = self.buffer
        if position < end and buffer[position] < 0x80:
            return buffer[position], position + 1
        value = 0
        for count in range(most_bytes):
            if position >= end:
                raise ValueError("the message ends within a number")
            byte = buffer[position]
            position += 1
            value |= (byte & 0x7F) << 7 * count
            if byte < 0x80:
                bits = 32 if most_bytes == _KEY_BYTES else 64
                if not byte or value >> bits:
                    break
                return value, position
        raise ValueError("a number is longer than it need be")

    def varints(self, begin: int, end: int) -> list[int]:
        """Numbers of a packed field, each of which counts as a field.

        Raises:
            ValueError: as `varint` says.
        """
        numbers = []
        while begin < end:
            self._count()
            value, begin = self.varint(begin, end, _VALUE_BYTES)
            numbers.append(value)
        return numbers

    def _count(self) -> None:
        self._fields += 1
        if self._fields > MAX_FIELDS:
            raise ValueError(f"more than {MAX_FIELDS:,} fields")


def write_varint(value: int) -> bytes:
    """A number from 0 in its shortest form."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F)
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


def write_number(number: int, value: int) -> bytes:
    """A field of a varint from 0."""
    return write_varint(number << 3) + write_varint(value)


def write_field(number: int, parts: Iterable[Part]) -> list[Part]:
    """A field of bytes, the parts one behind the other; none of them is copied."""
    content = [*parts]
    size = sum(map(len, content))
    return [write_varint(number << 3 | 2) + write_varint(size), *content]
