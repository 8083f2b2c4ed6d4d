"""Images, labels and their splits, as a training reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

from edgecnn_runtime.arrays import Int64, UInt8
from edgecnn_runtime.manifest import Preprocess


class Images(Protocol):
    """Images that can be read in any order."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def read(self, indices: Int64) -> torch.Tensor:
        """(n, H, W, C) uint8."""
        ...


@dataclass(frozen=True)
class InMemory:
    """Images that all lie in memory: (N, H, W, C) uint8."""

    array: UInt8

    def __len__(self) -> int:
        return len(self.array)

    def read(self, indices: Int64) -> torch.Tensor:
        return torch.from_numpy(self.array[indices])


@dataclass(frozen=True)
class Split:
    """Images with their labels, (N,)."""

    images: Images
    labels: Int64

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """Training and test images of a network, at the size that it reads.

    Attributes:
        preprocess: what makes the network's input of an image file, for the bundle.
        labels: names of the classes.
        notes: remarks on how it was read, for the user.
    """

    name: str
    train: Split
    test: Split
    preprocess: Preprocess
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()
