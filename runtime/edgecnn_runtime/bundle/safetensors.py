"""Safetensors files: a strict reader and a writer, with numpy alone.

Eight bytes with the length of the header, little-endian; the header, a JSON object of name →
``{"dtype", "shape", "data_offsets"}``; the numbers of all tensors, one behind the other, without
gaps (https://huggingface.co/docs/safetensors, "Format").
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle.json_fields import JsonFields, shown
from edgecnn_runtime.bundle.strict_json import strict_json
from edgecnn_runtime.errors import ManifestInvalid

# Of a network of a thousand layers it has 0.4 MB.
MAX_HEADER_BYTES = 4 << 20
MAX_TENSORS = 1 << 14
_LENGTH = struct.Struct("<Q")
_MAX_AXES = 32
# Numbers begin at a multiple of it, so that a reader may map them.
_ALIGNMENT = 8
_METADATA = "__metadata__"
_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


def read_safetensors(content: bytes) -> dict[str, Array]:
    """The tensors by name, in the order of their bytes; arrays of the caller's own.

    Nothing is allocated by what the header says: the numbers must be there.

    Raises:
        ValueError: it is no safetensors file, or holds bytes that are no tensor's; the message
            says what is wrong.
    """
    if len(content) < _LENGTH.size:
        raise ValueError(f"it has {len(content)} bytes, expected the length of a header")
    (length,) = _LENGTH.unpack_from(content)
    if length > min(MAX_HEADER_BYTES, len(content) - _LENGTH.size):
        raise ValueError(
            f"its header has {length} bytes, expected at most {MAX_HEADER_BYTES}, within the file"
        )
    begin = _LENGTH.size + length
    try:
        entries = _entries(content[_LENGTH.size : begin])
    except ManifestInvalid as error:  # of the readers of JSON, which are a manifest's
        raise ValueError(str(error)) from error
    tensors, position = {}, 0
    for name, (dtype, shape, start, end) in entries.items():
        if start != position:
            raise ValueError(
                f"{name!r} begins at {start}, expected {position}: tensors lie one behind the other"
            )
        position = end
        if position > len(content) - begin:
            raise ValueError(f"{name!r} ends at {end}, behind the end of the file")
        flat = np.frombuffer(content, dtype, math.prod(shape), begin + start)
        tensors[name] = flat.reshape(shape).astype(dtype.newbyteorder("="), copy=True)
    if position != len(content) - begin:
        raise ValueError(f"it has {len(content) - begin - position} bytes behind its last tensor")
    return tensors


_Entry = tuple["np.dtype[Any]", tuple[int, ...], int, int]


def _entries(header: bytes) -> dict[str, _Entry]:
    """Type, shape, begin and end of each tensor, in the order of their bytes."""
    if not header.startswith(b"{"):
        raise ValueError("its header does not begin with a brace")
    document = strict_json(header, "the header")
    assert isinstance(document, dict)
    metadata = document.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError(f"{_METADATA} is {shown(metadata)}, expected texts by name")
    if len(document) > MAX_TENSORS:
        raise ValueError(f"it lists {len(document)} tensors, at most {MAX_TENSORS} are allowed")
    entries = {name: _entry(name, value) for name, value in document.items()}
    return dict(sorted(entries.items(), key=lambda item: item[1][2]))


def _entry(name: str, value: object) -> _Entry:
    fields = JsonFields(value, shown(name))
    dtype = _DTYPES[fields.choice("dtype", tuple(_DTYPES))]
    shape, offsets = fields.take("shape", list), fields.take("data_offsets", list)
    fields.finish()
    is_right = len(shape) <= _MAX_AXES and len(offsets) == 2
    if not is_right or not all(map(_is_size, (*shape, *offsets))) or 0 in shape:
        raise ValueError(
            f"{shown(name)} has shape {shown(shape)} and data_offsets {shown(offsets)}, expected "
            "sizes from 1, and two positions"
        )
    size = math.prod(shape) * dtype.itemsize
    if offsets[1] - offsets[0] != size:
        raise ValueError(
            f"{shown(name)} has {offsets[1] - offsets[0]} bytes, its type and shape take {size}"
        )
    return dtype, tuple(shape), offsets[0], offsets[1]


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62


def write_safetensors(tensors: Mapping[str, Array]) -> bytes:
    """The tensors as a safetensors file: the same bytes for the same tensors.

    Larger types come first, so that every tensor is aligned; then names, in order.

    Raises:
        KeyError: an array is of a type that the format lacks here.
    """
    dtypes = {name: array.dtype.newbyteorder("<") for name, array in tensors.items()}
    names = sorted(tensors, key=lambda name: (-dtypes[name].itemsize, name))
    header: dict[str, object] = {}
    position = 0
    for name in names:
        array = tensors[name]
        end = position + array.nbytes
        header[name] = {
            "dtype": _NAMES[dtypes[name]],
            "shape": list(array.shape),
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    numbers = (tensors[name].astype(dtypes[name], copy=False).tobytes() for name in names)
    return b"".join((_LENGTH.pack(len(text)), text, *numbers))
