"""A bundle's preprocessing step by step, as an app's author would write it."""

from __future__ import annotations

import numpy as np

from edgecnn.verify.preprocess.resizers import Resizer, by_pillow
from edgecnn_runtime.arrays import Array, Float32, UInt8
from edgecnn_runtime.image.preprocess import centre, recolour, resized_size
from edgecnn_runtime.manifest import Preprocess


def prepare(image: UInt8, spec: Preprocess, resizer: Resizer | None = None) -> Float32:
    """(H, W, 3) RGB as the network reads it, batch 1.

    Args:
        resizer: in place of Pillow with the bundle's filter.
    """
    levels = recolour_and_resize(image, spec, resizer)
    return normalise(crop_centre(levels, spec.crop), spec)


def recolour_and_resize(image: UInt8, spec: Preprocess, resizer: Resizer | None = None) -> Array:
    """(H, W, 3) RGB as (height, width, C) in grey levels, before it is cropped."""
    coloured = recolour(image, spec.colour)
    if spec.resize is None:
        return coloured
    resize = resizer or by_pillow(spec.filter)
    return resize(coloured, resized_size(coloured.shape[:2], spec.resize))


def crop_centre(levels: Array, crop: tuple[int, int] | None) -> Array:
    """The middle (height, width) of (H, W, C), in a black frame where it is smaller."""
    for axis, wanted in enumerate(crop or ()):
        taken, before = centre(levels.shape[axis], wanted)
        levels = levels.take(np.arange(taken.start, taken.stop), axis)
        after = wanted - before - len(taken)
        edges = [(0, 0)] * 3
        edges[axis] = (before, after)
        levels = np.pad(levels, edges)
    return levels


def normalise(levels: Array, spec: Preprocess) -> Float32:
    """``(levels * scale - mean) / std`` of (H, W, C), in the layout that the network reads."""
    scaled = (levels * spec.scale - np.array(spec.mean)) / np.array(spec.std)
    planes = scaled.transpose(2, 0, 1) if spec.layout == "NCHW" else scaled
    return np.ascontiguousarray(planes, np.float32)[None]
