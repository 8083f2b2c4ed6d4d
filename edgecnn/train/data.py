"""Named data sets and folders opened as the `Dataset` of a training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from edgecnn.data import load
from edgecnn.data.named import NAMED
from edgecnn.errors import DataUnreadable
from edgecnn.train.dataset import Dataset, InMemory, Split
from edgecnn.train.folder import load_folder
from edgecnn_runtime.arrays import UInt8
from edgecnn_runtime.manifest import Preprocess


def open_dataset(
    data: str, shape: tuple[int, int, int], *, is_strict: bool, seed: int, quiet: bool
) -> Dataset:
    """A data set by its name, or a folder of class folders.

    Args:
        shape: (channels, height, width) that the network reads.
        is_strict: a broken image in a folder is an error; else it is left out, with a note.
        seed: of the split of a folder that has no test part.

    Raises:
        DataUnreadable: neither a name nor a folder of images.
        FetchError: a named one is not there and cannot be fetched.
    """
    if data in NAMED:
        return load_named(data, shape, quiet=quiet)
    return load_folder(Path(data), shape, is_strict=is_strict, seed=seed, quiet=quiet)


def load_named(name: str, shape: tuple[int, int, int], *, quiet: bool = False) -> Dataset:
    """A data set of `edgecnn.data` for a network that reads `shape` (channels, height, width).

    Raises:
        DataUnreadable: no such data set.
        FetchError: it is not there and cannot be fetched.
    """
    named = NAMED[name]
    channels, height, width = shape
    preprocess = replace(_in_colour(named.preprocess, channels), resize=(height, width))
    splits = []
    for split in ("train", "test"):
        images, labels = load(name, split, quiet=quiet)
        splits.append(Split(InMemory(_fit(images, shape)), labels))
    notes = []
    if (height, width) != (named.side, named.side):
        notes.append(f"{name} is {named.side}×{named.side}; resized to {height}×{width}")
    if channels != len(named.preprocess.mean):
        notes.append(f"{name} is made {'colour' if channels == 3 else 'grey'} for this network")
    return Dataset(name, splits[0], splits[1], preprocess, named.labels, tuple(notes))


def _in_colour(preprocess: Preprocess, channels: int) -> Preprocess:
    """The statistics for grey images read as colour, or colour images read as grey."""
    if channels == len(preprocess.mean):
        return preprocess
    if channels == 3:
        return replace(preprocess, colour="RGB", mean=preprocess.mean * 3, std=preprocess.std * 3)
    if channels == 1:
        mean, std = sum(preprocess.mean) / 3, sum(preprocess.std) / 3
        return replace(preprocess, colour="L", mean=(round(mean, 4),), std=(round(std, 4),))
    raise DataUnreadable(f"the network reads {channels} channels; images have 1 or 3")


def _fit(images: UInt8, shape: tuple[int, int, int]) -> UInt8:
    """(N, H, W, C) of another size or number of channels, by Pillow as the runtime does it."""
    channels, height, width = shape
    if images.shape[1:] == (height, width, channels):
        return images
    from PIL import Image

    mode = "RGB" if channels == 3 else "L"
    fitted = np.empty((len(images), height, width, channels), np.uint8)
    for index, image in enumerate(images):
        picture = Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image)
        resized = picture.convert(mode).resize((width, height), Image.Resampling.BILINEAR)
        fitted[index] = np.asarray(resized).reshape(height, width, channels)
    return fitted


def check_labels(dataset: Dataset, classes: int) -> None:
    """Every label is one of 0 … `classes` - 1.

    Raises:
        DataUnreadable: names the first that is not.
    """
    for part, split in (("training", dataset.train), ("test", dataset.test)):
        odd = np.flatnonzero((split.labels < 0) | (split.labels >= classes))
        if len(odd):
            label, index = int(split.labels[odd[0]]), int(odd[0])
            largest = int(max(dataset.train.labels.max(), dataset.test.labels.max()))
            raise DataUnreadable(
                f"{dataset.name}: {part} image {index} has label {label}, expected 0 to "
                f"{classes - 1} for {classes} classes; {len(odd)} labels are out of range, "
                f"the largest needs --classes {largest + 1}"
            )
