"""Paired comparison of two classifiers on the same images, with McNemar's test."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgecnn_runtime.arrays import Int64


@dataclass(frozen=True)
class Paired:
    """A candidate against a baseline, image by image.

    Attributes:
        images: number of images.
        same: images that both give the same class, right or wrong.
        right_to_wrong, wrong_to_right: images that changed from the baseline to the candidate.
        p: of McNemar's exact test: how likely so uneven a change is by chance alone.
    """

    images: int
    same: int
    right_to_wrong: int
    wrong_to_right: int
    p: float


def compare(baseline: Int64, candidate: Int64, labels: Int64) -> Paired:
    """Pair the classes, (N,) each, that two classifiers gave to the same images."""
    was, is_right = baseline == labels, candidate == labels
    lost, won = int((was & ~is_right).sum()), int((~was & is_right).sum())
    return Paired(len(labels), int((baseline == candidate).sum()), lost, won, mcnemar(lost, won))


def mcnemar(lost: int, won: int) -> float:
    """p-value of the exact two-sided McNemar test (1947) that losses and wins are equally likely.

    The binomial probability of a split at least as uneven, of `lost` + `won` fair throws.
    """
    total, few = lost + won, min(lost, won)
    # In logarithms: of thousands of throws a single outcome is below the smallest float.
    logs = [_log_choose(total, k) - total * math.log(2) for k in range(few + 1)]
    return min(1.0, 2 * math.fsum(map(math.exp, logs)))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
