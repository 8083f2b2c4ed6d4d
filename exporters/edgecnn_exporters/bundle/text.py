"""Text of file names for a manifest, which is UTF-8: bytes that are none are written as escapes."""

from __future__ import annotations

from typing import Any


def encodable(value: Any) -> Any:
    """The JSON value, with an escape such as ``\\udcff`` for each byte of a name that is no UTF-8.

    Python has such bytes as lone surrogates (PEP 383), which no encoder of UTF-8 takes, and which
    many readers of JSON refuse.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {encodable(key): encodable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [encodable(inner) for inner in value]
    return value
