"""Labelled images for evaluation, decoded one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecnn.data import load
from edgecnn.data.class_folders import find_classes, name_some, paths_of
from edgecnn.data.item_values import Value
from edgecnn.data.named import NAMED
from edgecnn.data.pictures import SAMPLES
from edgecnn.errors import DataUnreadable
from edgecnn.evaluate.class_names import ClassNames
from edgecnn.fetch import fetch
from edgecnn_runtime.arrays import Int64, UInt8

# The files of imagenet-samples are called after the class, imagenet_00_243.jpg.
SAMPLES_CLASSES = 1000
# Broken images that are named; the others are counted.
BROKEN_NAMES = 3


@dataclass(frozen=True)
class Examples:
    """Images and their class indices.

    Attributes:
        name: of the data.
        images: paths, or (N, H, W, C) uint8; or a mixture with inputs of the network.
        labels: (N,), numbers of the network's classes.
        notes: remarks on how they were chosen, for the user.
    """

    name: str
    images: Sequence[Value] | UInt8
    labels: Int64
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def limited(self, count: int | None) -> Examples:
        """At most `count` of them, drawn uniformly from all classes; the same ones every time."""
        if count is None or count >= len(self):
            return self
        chosen = np.sort(np.random.default_rng(0).permutation(len(self))[:count])
        images = (
            self.images[chosen]
            if isinstance(self.images, np.ndarray)
            else [self.images[index] for index in chosen]
        )
        note = f"{count:,} of {len(self):,} images, drawn by seed 0"
        return Examples(self.name, images, self.labels[chosen], (*self.notes, note))


def open_examples(data: str, names: ClassNames, *, quiet: bool = False) -> Examples:
    """The test images of a named data set, or all in a folder that holds a folder for each class.

    In a folder that holds ``train/`` and ``test/``, those in ``test/``.

    Args:
        names: maps names of folders to classes of the network.

    Raises:
        DataUnreadable: neither a name nor a folder of images, or classes that the network
            does not have.
        FetchError: a named one is not there and cannot be fetched.
    """
    if data == SAMPLES:
        return _samples(names, quiet=quiet)
    if data in NAMED:
        numbers, notes = names.of_data_set(NAMED[data].labels, data)
        images, labels = load(data, "test", quiet=quiet)
        return Examples(data, images, np.array(numbers)[labels], notes)
    return _folder(Path(data), names)


def _folder(path: Path, names: ClassNames) -> Examples:
    folders = find_classes(path, least=1)
    classes = folders.test or folders.train
    numbers, notes = names.numbers(tuple(classes))
    if folders.others:
        others = name_some([str(other.relative_to(path)) for other in folders.others])
        notes = (*notes, f"left out, being no images of a class: {others}")
    counts = [len(paths) for paths in classes.values()]
    labels = np.repeat(np.array(numbers, np.int64), counts)
    return Examples(path.resolve().name, paths_of(classes), labels, notes)


def _samples(names: ClassNames, *, quiet: bool) -> Examples:
    if names.classes != SAMPLES_CLASSES:
        raise DataUnreadable(
            f"{SAMPLES} are photographs of ImageNet's {SAMPLES_CLASSES} classes, the network has "
            f"{names.classes}"
        )
    paths = sorted(fetch(SAMPLES, quiet=quiet).glob("*.jpg"))
    labels = np.array([int(path.stem.rpartition("_")[2]) for path in paths], np.int64)
    return Examples(SAMPLES, paths, labels)


def broken_words(broken: Sequence[str], images: int) -> str:
    """The images that cannot be read, in one line.

    Args:
        images: number of those that can.
    """
    named = "; ".join(broken[:BROKEN_NAMES])
    rest = len(broken) - BROKEN_NAMES
    more = f"; and {rest:,} more" if rest > 0 else ""
    total = images + len(broken)
    return f"{len(broken):,} of {total:,} images cannot be read, left out: {named}{more}"
