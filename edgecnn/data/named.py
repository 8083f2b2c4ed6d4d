"""Named data sets: normalisation statistics, class labels and image size."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgecnn.zoo import CIFAR, MNIST
from edgecnn_runtime.manifest import Preprocess


@dataclass(frozen=True)
class Named:
    """A data set of `edgecnn.data`.

    Attributes:
        preprocess: the statistics of its colours.
        labels: names of the classes.
        side: of an image, in pixels.
    """

    preprocess: Preprocess
    labels: tuple[str, ...]
    side: int


_DIGITS = tuple("0123456789")
_CLOTHES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
_OBJECTS = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
NAMED = {
    "mnist": Named(MNIST, _DIGITS, 28),
    # Mean and deviation of the 60,000 training images.
    "fashion-mnist": Named(replace(MNIST, mean=(0.2860,), std=(0.3530,)), _CLOTHES, 28),
    "cifar10": Named(CIFAR, _OBJECTS, 32),
}


def side_of(data: str) -> int | None:
    """The side in pixels of a named data set's images; None for a folder."""
    return NAMED[data].side if data in NAMED else None
