"""Likeness of calibration samples: near-duplicates, as the frames of one scene are."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgecnn_exporters.quantise.calibrate.samples import Samples
from edgecnn_runtime.arrays import Float32

# Places along height and width whose means are compared.
PLACES = 8
# Of the range of all samples: means that differ by less, in the root mean square, are alike. Ten
# grey levels of 255.
ALIKE = 0.04
# With fewer different ones than this, a network's ranges are those of a few scenes.
ENOUGH = 32


def fingerprint(sample: Float32) -> Float32:
    """Means of a sample's channels, (channels · 64), in 8 × 8 parts of the image.

    What is no image, (batch, channels, height, width), is its own.
    """
    if sample.ndim != 4 or min(sample.shape[2:]) < PLACES:
        return sample.reshape(-1)
    means = sample[0]
    for axis in (1, 2):
        size = means.shape[axis]
        begins = np.arange(PLACES) * size // PLACES
        sums = np.moveaxis(np.add.reduceat(means, begins, axis=axis), axis, -1)
        means = np.moveaxis(sums / np.diff([*begins, size]), -1, axis)
    flat: Float32 = means.reshape(-1).astype(np.float32)
    return flat


def count_different(samples: Iterable[Float32], most: int | None = None) -> int:
    """The number of samples that are unlike all those counted before; no further than `most`."""
    low, high = np.inf, -np.inf
    prints = []
    for sample in samples:
        low, high = min(low, float(sample.min())), max(high, float(sample.max()))
        prints.append(fingerprint(sample))
    near = ALIKE * (high - low)
    counted: list[Float32] = []
    for each in prints:
        if not counted or np.sqrt(np.square(np.array(counted) - each).mean(1)).min() > near:
            counted.append(each)
        if len(counted) == most:
            break
    return len(counted)


def describe_likeness(samples: Samples) -> tuple[str, ...]:
    """A note where most of the samples are near-duplicates of few others."""
    count = len(samples)
    different = count_different(samples, ENOUGH)
    if different >= min(ENOUGH, count / 2):
        return ()
    return (
        f"{count} samples, but only {different} that differ: the others are near-duplicates, as "
        "frames of one scene are. Ranges and biases follow these few; calibrate with more scenes",
    )
