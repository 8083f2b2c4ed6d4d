"""Images that are set apart to judge what was learnt, at random within each class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgecnn.errors import DataUnreadable
from edgecnn_runtime.arrays import Int64


def set_apart(
    labels: Int64, share: float, seed: int, names: Sequence[str], data: str
) -> tuple[Int64, Int64]:
    """Indices of the images to learn from, and of those held out: a share of each class.

    At least one of each class is held out, and at least one is learnt from. What is held out of a
    class depends on the seed, the class and its number of images alone.

    Args:
        labels: (N,), class of each image.
        share: of each class to hold out, between 0 and 1.
        names: of the classes by their number, for messages.
        data: name of the images, for messages.

    Raises:
        DataUnreadable: a class has a single image.
    """
    held: list[Int64] = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        if len(own) < 2:
            raise DataUnreadable(
                f"class {names[label]} of {data} has 1 image, expected two or more, one to learn "
                "from and one held out; add images of it, or put images to judge by into test/ "
                "beside train/"
            )
        count = min(max(1, round(share * len(own))), len(own) - 1)
        order = np.random.default_rng((seed, int(label))).permutation(len(own))
        held.append(own[order[:count]])
    held_out = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(labels)), held_out), held_out
