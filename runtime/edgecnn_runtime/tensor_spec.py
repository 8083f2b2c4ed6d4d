"""Name, type and shape of a tensor, as manifests and engines state them."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Bytes of a number.
DTYPES = {
    "float32": 4,
    "float16": 2,
    "int8": 1,
    "uint8": 1,
    "int32": 4,
    "int64": 8,
    "bool": 1,
}


@dataclass(frozen=True)
class TensorSpec:
    """Name, type and shape of an input or output.

    Attributes:
        name: of the tensor.
        dtype: as NumPy names it.
        shape: None in it is a dynamic batch.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    @property
    def size_bytes(self) -> int:
        """Of its numbers, at batch 1."""
        return math.prod(extent or 1 for extent in self.shape) * DTYPES[self.dtype]

    def __str__(self) -> str:
        extents = "x".join("N" if extent is None else str(extent) for extent in self.shape)
        return f"{self.name} {self.dtype} {extents}"
