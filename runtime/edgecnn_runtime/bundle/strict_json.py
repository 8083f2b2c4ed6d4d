"""Strict parser of JSON text: no key twice, no NaN, no half characters, bounded depth."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from typing import Any

from edgecnn_runtime.errors import ManifestInvalid

# A manifest nests seven deep; Python's own limit is a thousand, and what walks a document has less.
MAX_DEPTH = 64


def strict_json(content: bytes, what: str = "manifest") -> object:
    """The JSON value of a manifest's text in UTF-8, or of another file's, which `what` names.

    Two readers may take different ones of two equal keys, and NaN compares with nothing.

    Raises:
        ManifestInvalid: it is no JSON, nests too deeply, has a key twice, NaN or infinity, or
            half a surrogate pair, which no encoding can write.
    """
    try:
        document = json.loads(
            content.decode(),
            object_pairs_hook=partial(_unique, what),
            parse_constant=partial(_refuse_constant, what),
        )
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid(f"{what} is not JSON: {error}") from error
    _check_nodes(document, what, is_escaped=b"\\u" in content)
    return document


def _unique(what: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise ManifestInvalid(f"{what} has the field {max(fields, key=counts.__getitem__)!r} twice")
    return fields


def _refuse_constant(what: str, name: str) -> None:
    raise ManifestInvalid(f"{what} holds {name}, expected a finite number")


def _check_nodes(document: object, what: str, *, is_escaped: bool) -> None:
    """Check the depth of every value and, where one may be there, for half surrogate pairs."""
    level, depth = [document], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise ManifestInvalid(f"{what} nests deeper than {MAX_DEPTH} levels")
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.values())
                if is_escaped:
                    below.extend(value)
            elif isinstance(value, list):
                below.extend(value)
            elif is_escaped and isinstance(value, str) and _is_broken(value):
                raise ManifestInvalid(f"{what} holds half a surrogate pair in {value!r}")
        level = below


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
