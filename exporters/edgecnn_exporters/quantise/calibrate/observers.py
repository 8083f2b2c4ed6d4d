"""Calibration observers: min-max, sample mean, percentile, least squares and entropy."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from edgecnn_exporters.quantise.calibrate.statistics import HALF, Histogram
from edgecnn_runtime.arrays import Float64, Int64
from edgecnn_runtime.encoding import LEVELS, Range

# Of all values, the share that a percentile leaves outside.
OUTSIDE = 1e-4
# Candidates for either end in one round of a search, and rounds, each finer than the last.
CANDIDATES = 48
ROUNDS = 3
SMALLEST_SHARE = 0.05
# Candidates of the entropy's search, and the least of them.
CLIPS = 64
SMALLEST_CLIP = 0.3
# Bins that it takes together: in narrower ones single counts pass for the distribution.
JOINED = 4


def min_max(histogram: Histogram) -> Range:
    """The min-max range: from the least to the greatest value."""
    return Range(histogram.low, histogram.high).to_zero()


def sample_mean(histogram: Histogram) -> Range:
    """The mean range of the samples: from the mean of their least values to that of their greatest.

    Of a few samples with massive activations it takes little notice. PyTorch's
    ``MovingAverageMinMaxObserver`` is it without weights.
    """
    low, high = histogram.mean_low, histogram.mean_high
    return Range(max(histogram.low, low), min(histogram.high, high)).to_zero()


def percentile(histogram: Histogram) -> Range:
    """The 99.99 % percentile range: one value in ten thousand clipped, half on either side.

    Where a tensor has one sign, as after Relu, all of them are cut from its far end.
    """
    whole = min_max(histogram)
    ends = (whole.low < 0) + (whole.high > 0)
    if not ends:
        return whole
    share = OUTSIDE / ends
    below = np.cumsum(histogram.counts) / max(1, histogram.counts.sum())
    first = int(np.searchsorted(below, share, side="right"))
    last = int(np.searchsorted(below, 1 - share, side="left"))
    low, high = (first - HALF) * histogram.bin, (last + 1 - HALF) * histogram.bin
    return Range(
        min(0.0, max(whole.low, low)),
        max(0.0, min(whole.high, high)),
    )


def least_squares(histogram: Histogram) -> Range:
    """The range at which the expected squared error of rounding and clipping is least.

    Rounding within costs ``s² / 12`` for all values but exact zeros, which every encoding holds;
    a value beyond costs the square of its distance. Both ends are searched for, coarse to fine.
    Nagel et al. 2021, "A White Paper on Neural Network Quantization", section 3.1.
    """
    whole = min_max(histogram)
    moments = _Moments(histogram)
    lows, highs = (_shares(SMALLEST_SHARE, 1.0) * end for end in (whole.low, whole.high))
    low, high = whole.low, whole.high
    step = (1 - SMALLEST_SHARE) / (CANDIDATES - 1)
    for _ in range(ROUNDS):
        cost = moments.error(lows[:, None], highs[None, :])
        row, column = np.unravel_index(int(cost.argmin()), cost.shape)
        low, high = float(lows[row]), float(highs[column])
        lows = np.clip(low + whole.low * step * _shares(-1, 1), whole.low, 0)
        highs = np.clip(high + whole.high * step * _shares(-1, 1), 0, whole.high)
        step *= 2 / (CANDIDATES - 1)
    return Range(min(low, 0.0), max(high, 0.0))


def entropy(histogram: Histogram) -> Range:
    """The clip with the least Kullback-Leibler divergence of 256 levels from the distribution.

    Least Kullback-Leibler divergence of the quantised from the clipped histogram, both ends clipped
    to one magnitude. Migacz 2017, "8-bit Inference with TensorRT", for ranges that begin elsewhere
    than at zero. Exact zeros are left out: after Relu they would outweigh all else.
    """
    whole = min_max(histogram)
    counts = histogram.counts.astype(np.float64)
    counts[HALF] = max(0.0, counts[HALF] - histogram.zeros)
    counts = counts.reshape(-1, JOINED).sum(axis=1)
    middle, width = HALF // JOINED, JOINED * histogram.bin
    if not counts.any():
        return whole
    best, least = whole, np.inf
    for share in np.linspace(1.0, SMALLEST_CLIP, CLIPS).tolist():
        magnitude = share * max(-whole.low, whole.high)
        tried = Range(max(whole.low, -magnitude), min(whole.high, magnitude))
        first = middle + int(np.floor(tried.low / width))
        # The bin that begins at the end is held too: Relu6 has all its sixes there.
        last = middle + int(np.floor(tried.high / width)) + 1
        divergence = _divergence(counts, max(0, first), min(len(counts), last))
        if divergence < least:
            best, least = tried, divergence
    return best


def _divergence(counts: Float64, first: int, last: int) -> float:
    """Kullback-Leibler divergence of the counts in 256 levels from those of all bins."""
    inside = counts[first:last]
    clipped = inside.copy()
    clipped[0] += counts[:first].sum()
    clipped[-1] += counts[last:].sum()
    starts = (np.arange(LEVELS + 1) * len(inside)) // (LEVELS + 1)
    starts = starts if len(inside) > LEVELS else np.unique(starts)
    sums = np.add.reduceat(inside, starts)
    filled = np.add.reduceat((clipped > 0).astype(np.float64), starts)
    lengths = np.diff([*starts, len(inside)])
    # Each level's count spread evenly over those of its bins that hold anything.
    spread = np.repeat(np.divide(sums, filled, out=np.zeros_like(sums), where=filled > 0), lengths)
    is_held = clipped > 0
    truth = clipped[is_held] / clipped.sum()
    # A bin that only clipped values fill has no level of its own: its likelihood is the least.
    quantised = np.maximum(spread[is_held] / max(spread[is_held].sum(), 1.0), 1e-12)
    return float((truth * np.log(truth / quantised)).sum())


class _Moments:
    """Sums over a histogram up to each bin, from which errors follow without iterating over it."""

    def __init__(self, histogram: Histogram) -> None:
        counts = histogram.counts.astype(np.float64)
        counts[HALF] = max(0.0, counts[HALF] - histogram.zeros)
        centres = histogram.centres
        self._bin = histogram.bin
        self._sums = [np.concatenate([[0.0], np.cumsum(counts * centres**k)]) for k in range(3)]

    def error(self, low: Float64, high: Float64) -> Float64:
        """The squared error of all values, for ends of any shape."""
        first, last = self._place(low), self._place(high)
        total = [sums[-1] for sums in self._sums]
        below = [sums[first] for sums in self._sums]
        above = [all_ - sums[last] for all_, sums in zip(total, self._sums, strict=True)]
        step = (high - low) / LEVELS
        rounding = (total[0] - below[0] - above[0]) * step**2 / 12
        clipping = sum(
            square - 2 * end * mean + end**2 * count
            for (count, mean, square), end in ((below, low), (above, high))
        )
        error: Float64 = rounding + clipping
        return error

    def _place(self, end: Float64) -> Int64:
        if not self._bin:
            return np.full(end.shape, HALF)
        places = np.rint(end / self._bin).astype(np.int64) + HALF
        return np.clip(places, 0, 2 * HALF)


def _shares(first: float, last: float) -> Float64:
    return np.linspace(first, last, CANDIDATES)


OBSERVERS: Mapping[str, Callable[[Histogram], Range]] = {
    "min-max": min_max,
    "sample-mean": sample_mean,
    "percentile": percentile,
    "mse": least_squares,
    "entropy": entropy,
}
