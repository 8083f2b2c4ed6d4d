"""Latency statistics: medians, bootstrap intervals, comparison of two artefacts.

Latencies are skewed, have outliers, and correlate with their neighbours: a mean with a standard
error of independent samples is far too confident. Hence medians, intervals by resampling whole
blocks, and for two artefacts the ratio of neighbours in time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb
from typing import Literal

import numpy as np

from edgecnn_runtime.arrays import Float64
from edgecnn_runtime.measure.rounds import MIN_ROUNDS_FOR_VERDICT

LatencyVerdict = Literal["faster", "slower", "no difference", "tainted"]

RESAMPLES = 2000
# Resampled values in memory at once: some 30 MB, where 18 000 samples in one piece would take
# 600 MB, more than a Raspberry Pi Zero 2 has.
VALUES_AT_ONCE = 1_000_000
CONFIDENCE = 0.95
# A verdict needs more than an interval: two-sided 99 %, and a ratio beyond 1 %, which the position
# of a buffer in memory alone can change (Mytkowicz et al. 2009, section 4).
VERDICT_CONFIDENCE = 0.99
MARGIN = 0.01
# Two runs at different times differ in buffer positions and machine state: a larger margin.
MARGIN_APART = 0.03
# With fewer rounds there is no useful interval.
LEAST_ROUNDS = 4


@dataclass(frozen=True)
class LatencyComparison:
    """A candidate's latency as a ratio to a baseline's, measured in turn.

    Attributes:
        ratio: median over the rounds of candidate / baseline; below 1 is faster.
        low, high: interval of `ratio` at `VERDICT_CONFIDENCE`; with fewer than
            `MIN_ROUNDS_FOR_VERDICT` rounds the whole range, at a lower confidence.
        rounds: number of pairs that were compared.
        verdict: in words; a disturbed run names no winner.
    """

    ratio: float
    low: float
    high: float
    rounds: int
    verdict: LatencyVerdict


def median_interval(
    samples: Sequence[float] | Float64, *, confidence: float = CONFIDENCE, seed: int = 0
) -> tuple[float, float]:
    """Confidence interval of the median, by block bootstrap.

    Samples of one run are not independent: blocks of neighbours are drawn instead of samples
    (Künsch 1989), of length n^(1/3), the rate that Hall, Horowitz and Jing (1995) derive.
    """
    values = np.asarray(samples, np.float64)
    medians = _resampled_medians(values, seed)
    tail = (1 - confidence) / 2
    low, high = np.quantile(medians, [tail, 1 - tail])
    return float(low), float(high)


def compare(
    candidate: Sequence[float] | Float64,
    baseline: Sequence[float] | Float64,
    *,
    tainted: bool = False,
    seed: int = 0,
) -> LatencyComparison:
    """Compare two artefacts by the medians of their blocks, one pair a round.

    Each round measured both within a fraction of a second, in reversed order every other time, so
    that slow drift (heat, a neighbour's load) affects both and cancels in the ratio (Kalibera and
    Jones 2013, section 3, on the level that repetition belongs to). The interval of the median
    log-ratio over the rounds covers both the block bootstrap's, which respects the correlation of
    neighbouring rounds, and the sign test's at `CONFIDENCE`, which is valid for any number of
    rounds: on 8 noisy rounds the bootstrap alone names a winner in 10 of 100 comparisons of an
    artefact with itself. The verdict is "faster" or "slower" only where all of the interval is
    beyond `MARGIN`, and never on fewer than `MIN_ROUNDS_FOR_VERDICT` rounds.

    Args:
        candidate: median latency of each of the candidate's blocks, in the order of the rounds.
        baseline: the same of the baseline; as many.
        tainted: the run was disturbed, so no winner is named.

    Raises:
        ValueError: the numbers of rounds differ, or there are fewer than four.
    """
    if len(candidate) != len(baseline) or len(candidate) < LEAST_ROUNDS:
        raise ValueError(
            f"{len(candidate)} and {len(baseline)} rounds, expected the same number, at least "
            f"{LEAST_ROUNDS}"
        )
    ratios = np.log(np.asarray(candidate, np.float64) / np.asarray(baseline, np.float64))
    bootstrap = median_interval(ratios, confidence=VERDICT_CONFIDENCE, seed=seed)
    exact = _sign_test_interval(ratios)
    low, high = np.exp([min(bootstrap[0], exact[0]), max(bootstrap[1], exact[1])])
    verdict: LatencyVerdict = "no difference"
    if tainted:
        verdict = "tainted"
    elif len(ratios) < MIN_ROUNDS_FOR_VERDICT:
        verdict = "no difference"
    elif high < 1 - MARGIN:
        verdict = "faster"
    elif low > 1 + MARGIN:
        verdict = "slower"
    return LatencyComparison(
        float(np.exp(np.median(ratios))), float(low), float(high), len(ratios), verdict
    )


def compare_apart(
    candidate: Sequence[float] | Float64,
    baseline: Sequence[float] | Float64,
    *,
    tainted: bool = False,
    seed: int = 0,
) -> LatencyComparison:
    """Compare two runs that were not measured in turn, by the medians of their blocks.

    The interval is of the ratio of the two medians, both by block bootstrap. The verdict is
    "faster" or "slower" only where all of it is beyond `MARGIN_APART`.

    Args:
        candidate: median latency of each block; baseline: the same, of the other run. Their numbers
            may differ.
        tainted: one of the runs was disturbed, so no winner is named.

    Raises:
        ValueError: a run has fewer than four blocks.
    """
    if min(len(candidate), len(baseline)) < LEAST_ROUNDS:
        raise ValueError(
            f"{len(candidate)} and {len(baseline)} blocks, expected at least {LEAST_ROUNDS} each"
        )
    ours, theirs = np.asarray(candidate, np.float64), np.asarray(baseline, np.float64)
    logs = np.log(_resampled_medians(ours, seed) / _resampled_medians(theirs, seed + 1))
    tail = (1 - VERDICT_CONFIDENCE) / 2
    low, high = np.exp(np.quantile(logs, [tail, 1 - tail]))
    verdict: LatencyVerdict = "no difference"
    if tainted:
        verdict = "tainted"
    elif min(len(ours), len(theirs)) < MIN_ROUNDS_FOR_VERDICT:
        verdict = "no difference"
    elif high < 1 - MARGIN_APART:
        verdict = "faster"
    elif low > 1 + MARGIN_APART:
        verdict = "slower"
    ratio = float(np.median(ours) / np.median(theirs))
    return LatencyComparison(ratio, float(low), float(high), min(len(ours), len(theirs)), verdict)


def _resampled_medians(values: Float64, seed: int) -> Float64:
    """Medians (`RESAMPLES`,) of block resamples of `values`."""
    return np.concatenate([np.median(part, axis=1) for part in _block_resamples(values, seed)])


def _sign_test_interval(values: Float64) -> tuple[float, float]:
    """Sign-test interval of the median at `CONFIDENCE`; the whole range if n is too small.

    The k-th smallest of n is above the median with P(B < k), B binomial (n, 1/2), whatever the
    distribution (Conover 1999, section 3.2).
    """
    n = len(values)
    tail, k = 2.0**-n, 1
    while tail + comb(n, k) * 2.0**-n <= (1 - CONFIDENCE) / 2:
        tail += comb(n, k) * 2.0**-n
        k += 1
    ordered = np.sort(values)
    return float(ordered[k - 1]), float(ordered[n - k])


def _block_resamples(values: Float64, seed: int) -> Iterator[Float64]:
    """`RESAMPLES` series (n,) of random blocks of `values` (n,), yielded as parts (count, n)."""
    n = len(values)
    length = max(1, round(n ** (1 / 3)))
    blocks = -(-n // length)
    random = np.random.default_rng(seed)
    at_once = max(1, VALUES_AT_ONCE // n)
    for done in range(0, RESAMPLES, at_once):
        count = min(at_once, RESAMPLES - done)
        starts = random.integers(0, n - length + 1, size=(count, blocks))
        yield values[(starts[:, :, None] + np.arange(length)).reshape(count, -1)[:, :n]]
