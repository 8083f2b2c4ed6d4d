"""File names as text of a manifest, which is UTF-8."""

from __future__ import annotations

from typing import Any


def encodable(value: Any) -> Any:
    """The JSON value, its strings in UTF-8; bytes of a file's name that are none become ``\\xff``.

    Python has bytes that its locale's encoding lacks as lone surrogates (PEP 383), which no encoder
    takes and many readers of JSON refuse. In a locale of ASCII those of a UTF-8 name are, too.
    """
    if isinstance(value, str):
        return _encodable(value)
    if isinstance(value, dict):
        return {encodable(key): encodable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [encodable(inner) for inner in value]
    return value


def _encodable(text: str) -> str:
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        return text.encode("utf-8", "backslashreplace").decode()
