"""Scales, zero points and element types of an ``.rknn`` file's inputs and outputs."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgecnn_exporters.errors import CompilerFailed

# The file begins with the first; the second begins a Python literal that ends with a zero byte.
MARK, TABLE = b"RKNN", b"{'attrs':"
MOST_BYTES = 1 << 20
# Zero point 0 of int8 is symmetric for the toolkit, -127 to 127: it keeps the range, not the scale.
SYMMETRIC = 128 / 127
# Of a literal that is no such table.
_UNREADABLE = (
    ValueError,
    SyntaxError,
    LookupError,
    TypeError,
    AttributeError,
    MemoryError,
    RecursionError,
)


@dataclass(frozen=True)
class RknnFile:
    """Inputs and outputs of an ``.rknn`` file.

    Attributes:
        encodings: (scale, zero point) by name; the zero point is of int8.
        dtypes: element type in the file, by name.
    """

    encodings: dict[str, tuple[float, int]]
    dtypes: dict[str, str]


def read_rknn(content: bytes, name: str) -> RknnFile:
    """Read the table of inputs and outputs.

    Raises:
        CompilerFailed: it is no ``.rknn`` file, or has no such table.
    """
    start = content.find(TABLE)
    if not content.startswith(MARK) or start < 0:
        raise CompilerFailed(
            f"{name} is no .rknn file with a table of its inputs and outputs; compile it again"
        )
    end = content.find(b"\0", start, start + MOST_BYTES)
    try:
        table = ast.literal_eval(content[start:end].decode("utf-8"))
        ends = table["quant_tab"]
        return RknnFile(
            {key: (float(e["scale"][0]), int(e["zero_point"][0])) for key, e in ends.items()},
            {key: str(e["dtype"]) for key, e in ends.items()},
        )
    except _UNREADABLE as error:
        raise CompilerFailed(f"{name} has a table that cannot be read: {error}") from error


def check_scales(
    found: Mapping[str, tuple[float, int]], graph: Mapping[str, tuple[float, int]], path: str
) -> None:
    """Refuse a file whose inputs and outputs have other scales than the graph.

    Args:
        found: (scale, zero point of int8) in the file, by name.
        graph: (scale, zero point of uint8) of each input and output, by name.

    Raises:
        CompilerFailed: one is missing, or is another.
    """
    for name, (scale, zero_point) in graph.items():
        if name not in found:
            raise CompilerFailed(f"{path} has no input or output {name!r}; compile it again")
        scales = (scale, scale * SYMMETRIC) if zero_point == 128 else (scale,)
        its_scale, its_zero_point = found[name]
        is_kept = any(np.isclose(its_scale, each, rtol=1e-6) for each in scales)
        if not is_kept or its_zero_point != zero_point - 128:
            raise CompilerFailed(
                f"{path} has scale {its_scale:.7g} and zero point {its_zero_point} at {name!r}, "
                f"expected {scale:.7g} and {zero_point - 128}; compile it again"
            )
