"""Images, labels and their splits, as a training reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from edgecnn_runtime.manifest import Preprocess

UInt8 = npt.NDArray[np.uint8]
Int64 = npt.NDArray[np.int64]


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
    """What a network is trained and tested on, at the size that it reads.

    Attributes:
        preprocess: what makes the network's input of an image file, for the bundle.
        labels: names of the classes.
        notes: what a person should know of how it was read.
    """

    name: str
    train: Split
    test: Split
    preprocess: Preprocess
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()
