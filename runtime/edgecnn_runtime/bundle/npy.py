"""Strict reader of ``.npy`` content: plain little-endian numbers, as many as the shape says."""

from __future__ import annotations

import ast
import math
import struct

import numpy as np

from edgecnn_runtime.arrays import Array

_MAGIC = b"\x93NUMPY"
# Version → format of the header's length.
_LENGTHS = {1: "<H", 2: "<I", 3: "<I"}
# What numpy writes for thirty axes is shorter.
_MAX_HEADER = 1024
_MAX_AXES = 32
# numpy's name of a type by its descr in the file, for the types of a manifest.
_DTYPES = {
    "<f4": "float32",
    "<f2": "float16",
    "|i1": "int8",
    "|u1": "uint8",
    "<i4": "int32",
    "<i8": "int64",
    "|b1": "bool",
}


def read_npy(content: bytes) -> Array:
    """The array, in C order.

    Nothing is allocated by what the header says: its numbers must be there.

    Raises:
        ValueError: it is not a plain array of at least one number; the message says what is wrong.
    """
    if not content.startswith(_MAGIC) or len(content) < 12 or content[6] not in _LENGTHS:
        raise ValueError("it does not begin as a .npy file of version 1, 2 or 3")
    length_format = _LENGTHS[content[6]]
    (length,) = struct.unpack_from(length_format, content, 8)
    begin = 8 + struct.calcsize(length_format)
    if length > _MAX_HEADER:
        raise ValueError(f"its header has {length} bytes, expected at most {_MAX_HEADER}")
    descr, is_fortran, shape = _header(content[begin : begin + length])
    if not isinstance(descr, str) or descr not in _DTYPES:
        raise ValueError(f"its type is {str(descr)[:40]!r}, expected one of {', '.join(_DTYPES)}")
    dtype, size = np.dtype(_DTYPES[descr]), len(content) - begin - length
    if size != math.prod(shape) * dtype.itemsize or size <= 0:
        raise ValueError(f"it holds {size} bytes of numbers, its shape says {dtype} {shape}")
    flat = np.frombuffer(content, dtype, offset=begin + length)
    return np.array(flat.reshape(shape, order="F" if is_fortran else "C"), order="C")


def _header(text: bytes) -> tuple[object, bool, tuple[int, ...]]:
    """Type, whether the first axis varies fastest, and shape."""
    try:
        fields = ast.literal_eval(text.decode("latin-1").strip())
        descr, is_fortran, shape = (fields[key] for key in ("descr", "fortran_order", "shape"))
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
        raise ValueError("its header is not one of numpy's") from error
    is_shape = (
        isinstance(shape, tuple)
        and len(shape) <= _MAX_AXES
        and all(type(extent) is int and 0 <= extent < 1 << 63 for extent in shape)
    )
    if not isinstance(is_fortran, bool) or not is_shape:
        raise ValueError(f"its shape is {str(shape)[:40]}, expected a tuple of sizes")
    return descr, is_fortran, shape
