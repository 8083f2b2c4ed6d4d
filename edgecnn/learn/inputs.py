"""Inputs of the network for many images: each preprocessed once where memory allows it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from edgecnn.data.item_values import Value, is_image
from edgecnn.errors import DataUnreadable
from edgecnn.evaluate.examples import Examples
from edgecnn_runtime.arrays import Float32, Int64, UInt8
from edgecnn_runtime.errors import ImageError
from edgecnn_runtime.image.batch import stack
from edgecnn_runtime.progress import Progress, no_progress

# Bytes of inputs that are kept, some 400 images at 224x224: a Raspberry Pi may have 512 MB in all.
KEPT_BYTES = 256 << 20
# Images that are preprocessed between two steps of a progress bar.
BLOCK = 64

Prepare = Callable[[Value], Float32]
"""Makes the input (1, …) of an image, as an app would."""


@dataclass(frozen=True)
class Inputs:
    """Inputs of sound images, in order.

    Attributes:
        images: all images, broken ones as well.
        places: (N,), indices among them of those that can be read.
        labels: (N,), their classes.
        prepare: makes the input of an image.
        kept: inputs (1, …) by the image's index; those of the others are made when they are read.
        digest: sha256 of all inputs and labels that were prepared together.
    """

    images: Sequence[Value] | UInt8
    places: Int64
    labels: Int64
    prepare: Prepare
    kept: Mapping[int, Float32]
    digest: str

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, indices: Int64) -> Float32:
        """The inputs (n, …) of those indices.

        Raises:
            DataUnreadable: a file was damaged or went away since it was read first.
            ImageError: inputs differ in shape, as images of other proportions do without a crop.
        """
        return stack([self._input(int(place)) for place in self.places[indices]])

    def part(self, indices: Int64) -> Inputs:
        """Those of some indices, in that order."""
        return replace(self, places=self.places[indices], labels=self.labels[indices])

    def examples(self, name: str) -> Examples:
        """The images and their labels, as an evaluation takes them."""
        return Examples(name, [self.images[place] for place in self.places], self.labels)

    def _input(self, place: int) -> Float32:
        if place in self.kept:
            return self.kept[place]
        try:
            return self.prepare(self.images[place])
        except ImageError as error:
            raise DataUnreadable(f"{error} (it was sound when the learning began)") from error


def prepare_inputs(
    examples: Examples,
    preprocess: Callable[[Value], Float32],
    progress: Progress = no_progress,
    kept_bytes: int = KEPT_BYTES,
) -> tuple[Inputs, tuple[str, ...]]:
    """The inputs of all images that can be read, and why others cannot.

    Args:
        preprocess: makes the input (1, …) of an image; inputs among the examples stay as they are.
        progress: called with the share done, 0 to 1.
        kept_bytes: at most so many bytes of inputs are kept in memory.
    """

    def prepare(value: Value) -> Float32:
        return preprocess(value) if is_image(value) else np.asarray(value, np.float32)

    sha256, broken = hashlib.sha256(), list[str]()
    sound, kept = list[int](), dict[int, Float32]()
    room = kept_bytes
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for begin in range(0, len(examples), BLOCK):
            block = range(begin, min(begin + BLOCK, len(examples)))
            made = pool.map(lambda index: _try(prepare, examples.images[index]), block)
            for index, one in zip(block, made, strict=True):
                if isinstance(one, ImageError):
                    broken.append(str(one))
                    continue
                sha256.update(np.ascontiguousarray(one).data)
                sound.append(index)
                room -= one.nbytes
                if room >= 0:
                    kept[index] = one
            progress(block.stop / len(examples))
    places = np.array(sound, np.int64)
    labels = examples.labels[places]
    sha256.update(labels.astype("<i8").tobytes())
    inputs = Inputs(examples.images, places, labels, prepare, kept, sha256.hexdigest())
    return inputs, tuple(broken)


def _try(prepare: Prepare, value: Value) -> Float32 | ImageError:
    try:
        return prepare(value)
    except ImageError as error:
        return error
