"""A folder of images, one folder a class, read as the trained network will be deployed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from edgecnn.data.class_folders import Classes, find_classes, hold_out, name_some, paths_of
from edgecnn.errors import DataUnreadable
from edgecnn.model.preprocessing import at_resolution
from edgecnn.progress_bar import bar
from edgecnn.train.dataset import Dataset, Split
from edgecnn.zoo import IMAGENET
from edgecnn_runtime.arrays import Int64, UInt8
from edgecnn_runtime.errors import ImageError
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Preprocess

# Training images are so much larger than the input, for crops of chance: 256 to 224.
MARGIN = 8 / 7
# Of sides up to this many pixels a margin would cut away too much; crops pad with zeros instead.
SMALL = 64
# Mean and deviation of ImageNet's colours, averaged over the three.
GREY = replace(IMAGENET, colour="L", mean=(0.449,), std=(0.226,))
# Images looked through between two steps of the bar; an interrupt waits for no more than these.
BLOCK = 256


@dataclass(frozen=True)
class ImageFiles:
    """Images that are decoded when they are read, by several threads.

    Attributes:
        levels: the deployed preprocessing with a crop that may be larger and nothing normalised:
            its results are grey levels, channels last.
    """

    paths: tuple[Path, ...]
    levels: Preprocess

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, indices: Int64) -> torch.Tensor:
        """(n, H, W, C) uint8.

        Raises:
            DataUnreadable: a file was damaged or went away since the training began.
        """
        assert self.levels.crop is not None
        batch = np.empty((len(indices), *self.levels.crop, len(self.levels.mean)), np.uint8)
        # Pillow's warnings about these images: they were ignored when the folder was searched, too.
        with warnings.catch_warnings(action="ignore"), _threads() as pool:
            images = pool.map(self._read, (self.paths[index] for index in indices))
            for position, image in enumerate(images):
                batch[position] = image
        return torch.from_numpy(batch)

    def _read(self, path: Path) -> UInt8:
        try:
            image = load_image(path)
        except ImageError as error:
            raise DataUnreadable(f"{error} (it was sound when the training began)") from error
        levels: UInt8 = preprocess(image, self.levels)[0].astype(np.uint8)
        return levels


def load_folder(
    path: Path, shape: tuple[int, int, int], *, is_strict: bool, seed: int, quiet: bool = False
) -> Dataset:
    """The images in ``path/train/CLASS`` and ``path/test/CLASS``, or in ``path/CLASS``.

    Classes are numbered in the order of their names. Test images may also lie in ``val``, ``valid``
    or ``validation``; where there are none, a tenth of each class is held out. Every image is
    decoded once to find the broken ones; nothing of that is kept.

    Args:
        shape: (channels, height, width) that the network reads.
        is_strict: a broken image is an error; else it is left out and named in the notes.
        seed: of the random choice of held-out images.

    Raises:
        DataUnreadable: no such folder, no class folders, fewer than two classes, a class without
            sound images, test classes that are not those of training, or a broken image and
            `is_strict`.
    """
    deployed = choose_preprocess(shape)
    folders = find_classes(path)
    notes = []
    if folders.others:
        notes.append(f"left out, being no images of a class: {_name_paths(path, folders.others)}")
    images = [*paths_of(folders.train), *paths_of(folders.test)]
    if broken := _find_broken(images, quiet=quiet):
        notes.append(_say_broken(path, broken, len(images), is_strict))
    train, test = _without(folders.train, broken), _without(folders.test, broken)
    if not test:
        train, test = hold_out(train, seed)
        count = len(paths_of(test))
        notes.append(
            f"{path} has no folder test/; {count:,} of its {count + len(paths_of(train)):,} "
            f"images, a tenth of each class, are held out for testing by seed {seed}"
        )
    window = shape[1:] if deployed.crop is None else _with_margin(shape[1:])
    return Dataset(
        path.resolve().name,
        _make_split(train, deployed, window),
        _make_split(test, deployed, shape[1:]),
        deployed,
        tuple(train),
        tuple(notes),
    )


def choose_preprocess(shape: tuple[int, int, int]) -> Preprocess:
    """ImageNet's for an input of `shape`; an input of few pixels sees all of the image.

    Raises:
        DataUnreadable: images do not have so many channels.
    """
    channels, height, width = shape
    known = {1: GREY, 3: IMAGENET}
    if channels not in known:
        raise DataUnreadable(f"the network reads {channels} channels; images have 1 or 3")
    if max(height, width) <= SMALL:
        return replace(known[channels], resize=(height, width), crop=None)
    return at_resolution(known[channels], height, width)


def _with_margin(size: tuple[int, int]) -> tuple[int, int]:
    return round(size[0] * MARGIN), round(size[1] * MARGIN)


def _find_broken(paths: Sequence[Path], *, quiet: bool) -> dict[Path, str]:
    """The images that cannot be decoded, each with the reason."""
    broken = {}
    with (
        warnings.catch_warnings(action="ignore"),
        bar("looking through the images", quiet=quiet) as show,
        _threads() as pool,
    ):
        for begin in range(0, len(paths), BLOCK):
            block = paths[begin : begin + BLOCK]
            for path, fault in zip(block, pool.map(_find_fault, block), strict=True):
                if fault is not None:
                    broken[path] = fault
            show((begin + len(block)) / len(paths))
    return broken


def _find_fault(path: Path) -> str | None:
    """The reason why an image cannot be read; None if it can."""
    try:
        # A pipe would be waited for without end.
        if path.exists() and not path.is_file():
            return f"image {str(path)!r} is not a file"
        load_image(path)
    except (ImageError, OSError) as error:
        return str(error)
    return None


def _say_broken(root: Path, broken: Mapping[Path, str], total: int, is_strict: bool) -> str:
    """The note on broken images; raised instead where they are not allowed."""
    summary = f"{len(broken):,} of {total:,} images cannot be read"
    names, first = _name_paths(root, broken), next(iter(broken.values()))
    if is_strict:
        raise DataUnreadable(
            f"{summary}: {names}; the first: {first}; without --strict they are left out"
        )
    return f"{summary}; left out: {names}; the first: {first}"


def _without(classes: Classes, broken: Mapping[Path, str]) -> Classes:
    sound = {
        name: [path for path in paths if path not in broken] for name, paths in classes.items()
    }
    for name, paths in sound.items():
        if not paths:
            first, count = classes[name][0], len(classes[name])
            raise DataUnreadable(
                f"class {name} has no image in {first.parent} that can be read, of {count:,}; "
                f"the first: {broken[first]}"
            )
    return sound


def _make_split(classes: Classes, deployed: Preprocess, window: tuple[int, int]) -> Split:
    zeros, ones = (0.0,) * len(deployed.mean), (1.0,) * len(deployed.mean)
    levels = replace(deployed, crop=window, scale=1.0, mean=zeros, std=ones, layout="NHWC")
    counts = [len(paths) for paths in classes.values()]
    labels = np.repeat(np.arange(len(classes), dtype=np.int64), counts)
    return Split(ImageFiles(tuple(paths_of(classes)), levels), labels)


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1)


def _name_paths(root: Path, paths: Iterable[Path]) -> str:
    return name_some([str(path.relative_to(root)) for path in paths])
