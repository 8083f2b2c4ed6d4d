"""Range of a network's input: what preprocessing makes of images, and what samples have."""

from __future__ import annotations

import numpy as np

from edgecnn_runtime.encoding import Range
from edgecnn_runtime.manifest import Preprocess


def range_of_images(prepare: Preprocess) -> Range:
    """Least and greatest input that preprocessing makes of an image."""
    mean, std = np.array(prepare.mean), np.array(prepare.std)
    ends = [(grey * prepare.scale - mean) / std for grey in (0, 255)]
    return Range(float(np.min(ends)), float(np.max(ends)))


def unlike_preprocessing(measured: Range, prepare: Preprocess) -> list[str]:
    """A note where inputs range otherwise than those that preprocessing makes of images."""
    own = range_of_images(prepare)
    # Photographs hold black and white, but for rounding and resampling.
    slack = 0.1 * (own.high - own.low)
    is_beyond = measured.low < own.low - slack or measured.high > own.high + slack
    if not is_beyond and measured.high - measured.low > 0.6 * (own.high - own.low):
        return []
    return [
        f"the inputs given range from {measured.low:.2f} to {measured.high:.2f}, the bundle's "
        f"preprocessing makes {own.low:.2f} to {own.high:.2f} of images: an app prepares images "
        "as the bundle says; is the loader's transform the same?"
    ]
