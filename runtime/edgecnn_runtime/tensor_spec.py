"""Name, type and shape of a tensor: what a model reads, answers or learns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TensorSpec:
    """Name, type and shape of an input, output or parameter.

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
