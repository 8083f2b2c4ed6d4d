"""C++ source from data: literals of bytes, numbers and texts, whatever a bundle's texts hold."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgecnn_runtime.arrays import Array

COLUMNS = 100
# What may follow a backslash or begin a trigraph ("??/" is one) is escaped too.
_PLAIN = frozenset(range(0x20, 0x7F)) - frozenset(b'"\\?')


def c_string(text: str) -> str:
    """A string literal with the text's UTF-8.

    Escapes are octal with three digits: those of hexadecimal take any number of digits after them.
    """
    content = text.encode("utf-8", "surrogateescape" if _has_bytes(text) else "replace")
    return '"' + "".join(chr(b) if b in _PLAIN else f"\\{b:03o}" for b in content) + '"'


def _has_bytes(text: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in text)


def c_float(number: float) -> str:
    """A float literal with the digits that tell float32 numbers apart."""
    shown = f"{np.float32(number):.9g}"
    return f"{shown}f" if any(mark in shown for mark in ".en") else f"{shown}.0f"


def c_integers(numbers: Array | bytes) -> str:
    """Lines of integers between braces."""
    flat = np.frombuffer(numbers, np.uint8) if isinstance(numbers, bytes) else numbers.reshape(-1)
    lines, line = [], ""
    for number in map(str, flat.tolist()):
        if len(line) + len(number) + 1 > COLUMNS:
            lines.append(line)
            line = ""
        line += f"{number},"
    return "{\n" + "\n".join([*lines, line]) + "\n}"


def c_list(literals: Iterable[str]) -> str:
    """Literals between braces, one a line."""
    return "{\n" + "".join(f"  {each},\n" for each in literals) + "}"
