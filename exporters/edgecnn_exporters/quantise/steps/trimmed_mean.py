"""Trimmed mean over samples, and its standard error: a few outliers do not move it.

Some images have massive activations: in the last blocks of MobileNetV2 one in ten has values of ten
times the median, and five of ninety make half of the squared error of a mean.
Wilcox 2012, "Introduction to Robust Estimation and Hypothesis Testing", section 3.3.
"""

from __future__ import annotations

import numpy as np

from edgecnn_runtime.arrays import Float32, Float64

# Of the samples, the share left out at either end.
TRIMMED = 0.25
# With fewer than this there is nothing to leave out.
FEWEST = 8


def trimmed_mean(rows: Float32) -> Float32:
    """Mean of the middle half of the samples, for each column of (samples, …)."""
    cut = _cut(len(rows))
    middle = np.sort(rows, axis=0)[cut : len(rows) - cut]
    mean: Float32 = middle.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def squared_error(rows: Float32) -> Float64:
    """Square of the standard error of `trimmed_mean`, for each column of (samples, …).

    That of the winsorised values, ``s² / ((1 - 2 t)² n)`` with t the share that is left out at
    either end: those beyond count as the last that are not.
    """
    count, cut = len(rows), _cut(len(rows))
    ordered = np.sort(rows.astype(np.float64), axis=0)
    winsorised = np.clip(ordered, ordered[cut], ordered[count - 1 - cut])
    kept = 1 - 2 * cut / count
    error: Float64 = winsorised.var(axis=0) / (kept**2 * max(1, count - 1))
    return error


def _cut(count: int) -> int:
    return int(TRIMMED * count) if count >= FEWEST else 0
