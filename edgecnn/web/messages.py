"""Messages between Python and a page: one line of JSON, then the bytes of its arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgecnn_runtime.arrays import Array


def encode_message(fields: Mapping[str, Any], arrays: Mapping[str, Array] | None = None) -> bytes:
    """A message with these fields and arrays."""
    ordered = {name: np.ascontiguousarray(array) for name, array in (arrays or {}).items()}
    listing = [
        {"name": name, "dtype": array.dtype.name, "shape": array.shape, "bytes": array.nbytes}
        for name, array in ordered.items()
    ]
    head = json.dumps({**fields, "arrays": listing}).encode() + b"\n"
    return head + b"".join(array.tobytes() for array in ordered.values())


def decode_message(message: bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    """The fields and arrays of a message.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    head, _, rest = message.partition(b"\n")
    fields: dict[str, Any] = json.loads(head)
    arrays, offset = {}, 0
    for one in fields.pop("arrays", ()):
        content = rest[offset : offset + one["bytes"]]
        array = np.frombuffer(content, one["dtype"]).reshape(one["shape"])
        arrays[one["name"]] = array.copy()
        offset += one["bytes"]
    return fields, arrays
