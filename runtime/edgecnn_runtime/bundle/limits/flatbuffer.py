"""Tables, vectors and numbers of a flatbuffer that is not trusted; positions are those of the file.

The encoding is that of the flatbuffers specification. A position outside the file raises
`struct.error` or ValueError. Offsets may lead to one place many times, so that a small file lists a
million tables, or gigabytes of names: both are counted over all that is read of a file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

# A network of 10,000 operators has about 50,000 tables, and 2 MB of names.
_MOST_TABLES = 1_000_000
_MOST_AXES = 64
# Of another vector of numbers: the inputs of a graph, the scales of a weight's channels.
_MOST_NUMBERS = 1 << 16
_MOST_TEXT_BYTES = 1 << 16
_MOST_TEXTS_BYTES = 1 << 24


class Flatbuffer:
    """Tables of a flatbuffer, of which at most `_MOST_TABLES` are read in all."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._tables = 0
        self._texts_bytes = 0

    def offset(self, position: int) -> int:
        """The position that the offset at `position` leads to."""
        (distance,) = struct.unpack_from("<I", self.content, position)
        return position + int(distance)

    def field(self, table: int, number: int) -> int:
        """Position of a field of a table; 0 where it has its default."""
        (back,) = struct.unpack_from("<i", self.content, table)
        vtable = table - back
        if not 0 <= vtable < len(self.content):
            raise ValueError("a table has no vtable")
        (size,) = struct.unpack_from("<H", self.content, vtable)
        slot = 4 + 2 * number
        if slot + 2 > size:
            return 0
        (distance,) = struct.unpack_from("<H", self.content, vtable + slot)
        return table + int(distance) if distance else 0

    def number(self, table: int, number: int, layout: str) -> int:
        """A scalar field of a table; 0 where it has its default."""
        position = self.field(table, number)
        return int(struct.unpack_from(layout, self.content, position)[0]) if position else 0

    def integers(self, table: int, number: int) -> tuple[int, ...]:
        """A vector field of a few int32."""
        position = self.field(table, number)
        if not position:
            return ()
        vector = self.offset(position)
        (length,) = struct.unpack_from("<I", self.content, vector)
        if length > _MOST_AXES:
            raise ValueError(f"a tensor of more than {_MOST_AXES} axes")
        return struct.unpack_from(f"<{length}i", self.content, vector + 4)

    def tables(self, table: int, number: int) -> Iterator[int]:
        """Positions of the tables of a vector field.

        Raises:
            ValueError: more tables are read than any network has.
        """
        position = self.field(table, number)
        if not position:
            return
        vector = self.offset(position)
        (length,) = struct.unpack_from("<I", self.content, vector)
        self._tables += length
        if self._tables > _MOST_TABLES:
            raise ValueError(f"more than {_MOST_TABLES:,} tables")
        for index in range(length):
            yield self.offset(vector + 4 + 4 * index)

    def vector(self, table: int, number: int, layout: str) -> tuple[float, ...]:
        """A vector field of numbers, each of the format `layout` of `struct`."""
        position = self.field(table, number)
        if not position:
            return ()
        vector = self.offset(position)
        (length,) = struct.unpack_from("<I", self.content, vector)
        if length > _MOST_NUMBERS:
            raise ValueError(f"a vector of more than {_MOST_NUMBERS:,} numbers")
        return struct.unpack_from(f"<{length}{layout}", self.content, vector + 4)

    def length(self, table: int, number: int) -> int:
        """Number of elements of a vector field; 0 where it has its default."""
        position = self.field(table, number)
        if not position:
            return 0
        return int(struct.unpack_from("<I", self.content, self.offset(position))[0])

    def bytes_of(self, table: int, number: int) -> bytes:
        """A vector field of bytes.

        Raises:
            ValueError: it ends behind the file.
        """
        position = self.field(table, number)
        if not position:
            return b""
        vector, length = self.offset(position), self.length(table, number)
        if vector + 4 + length > len(self.content):
            raise ValueError("a vector ends behind the file")
        return self.content[vector + 4 : vector + 4 + length]

    def text(self, table: int, number: int) -> str:
        """A text field; bytes that are no UTF-8 are replaced.

        Raises:
            ValueError: it, or all texts that were read, are longer than any network's.
        """
        length = self.length(table, number)
        if length > _MOST_TEXT_BYTES:
            raise ValueError(f"a text of more than {_MOST_TEXT_BYTES:,} bytes")
        self._texts_bytes += length
        if self._texts_bytes > _MOST_TEXTS_BYTES:
            raise ValueError(f"texts of more than {_MOST_TEXTS_BYTES:,} bytes")
        return self.bytes_of(table, number).decode(errors="replace")
