"""Data sets as arrays, fetched when they are not there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from edgecnn.data.idx import read_idx
from edgecnn.errors import DataUnreadable
from edgecnn.fetch import fetch
from edgecnn.fetch.catalogue import CATALOGUE, Asset
from edgecnn_runtime.arrays import Int64, UInt8
from edgecnn_runtime.install_hint import install_hint

SPLITS = ("train", "test")


def load(
    name: str, split: str, *, quiet: bool = False, catalogue: Mapping[str, Asset] = CATALOGUE
) -> tuple[UInt8, Int64]:
    """One split of a data set.

    Args:
        name: mnist, fashion-mnist or cifar10.
        split: train or test.

    Returns:
        Images (N, H, W, C), grey as one channel, colour as RGB; and labels (N,).

    Raises:
        DataUnreadable: no such data set or split, or Pillow is missing.
        FetchError: it is not there and cannot be fetched.
    """
    if name not in _READERS:
        raise DataUnreadable(f"no data set is called {name!r}; there are {', '.join(_READERS)}")
    if split not in SPLITS:
        raise DataUnreadable(f"{name} has no split {split!r}; it has {' and '.join(SPLITS)}")
    images, labels = _READERS[name](fetch(name, quiet=quiet, catalogue=catalogue), split)
    if len(images) != len(labels):
        raise DataUnreadable(
            f"{name} {split} has {len(images)} images and {len(labels)} labels; fetch it again"
        )
    return images, labels


def _read_mnist(folder: Path, split: str) -> tuple[UInt8, Int64]:
    stem = "train" if split == "train" else "t10k"
    images = read_idx(folder / f"{stem}-images-idx3-ubyte")
    labels = read_idx(folder / f"{stem}-labels-idx1-ubyte")
    return images[..., None], labels.astype(np.int64)


def _read_cifar10(folder: Path, split: str) -> tuple[UInt8, Int64]:
    names = [f"data_batch_{batch}" for batch in range(1, 6)] if split == "train" else ["test_batch"]
    images = np.concatenate([_read_batch(folder / f"{name}.png") for name in names])
    # The package spells it so.
    labels = json.loads((folder / f"{split}_lables.json").read_text(encoding="utf-8"))
    return images, np.array(labels, np.int64)


def _read_batch(path: Path) -> UInt8:
    """Images (N, 32, 32, 3) of a PNG file with one image in each row of 1024 pixels."""
    try:
        from PIL import Image
    except ImportError as error:
        raise DataUnreadable(
            f"{path} needs Pillow, which is not installed; {install_hint('image')}"
        ) from error
    with Image.open(path) as picture:
        return np.asarray(picture, np.uint8).reshape(-1, 32, 32, 3)


_READERS: dict[str, Callable[[Path, str], tuple[UInt8, Int64]]] = {
    "mnist": _read_mnist,
    "fashion-mnist": _read_mnist,
    "cifar10": _read_cifar10,
}

__all__ = ["load", "read_idx"]
