"""Name, type and shape of a tensor, as manifests and engines state them."""

from __future__ import annotations

from dataclasses import dataclass

DTYPES = frozenset({"float32", "float16", "int8", "uint8", "int32", "int64", "bool"})


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

    def __str__(self) -> str:
        extents = "x".join("N" if extent is None else str(extent) for extent in self.shape)
        return f"{self.name} {self.dtype} {extents}"
