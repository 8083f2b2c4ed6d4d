"""Confidence interval of a proportion, such as top-1 agreement."""

from __future__ import annotations

import math

Z = 1.959964  # of the normal distribution, two-sided 95 %


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """The 95 % confidence interval of the share of `right` among `total`.

    Wilson 1927, "Probable Inference"; it stays within 0…1 and is sound near both ends.
    """
    share, square = right / total, Z * Z / total
    centre = (share + square / 2) / (1 + square)
    half = Z / (1 + square) * (share * (1 - share) / total + square / (4 * total)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)


def samples_to_show(share: float) -> int | None:
    """The fewest samples whose interval reaches no lower than `share` where all are right.

    Of n right ones among n, the lower end is ``n / (n + z²)``; None for a share of 1.
    """
    return None if share >= 1 else max(1, math.ceil(Z * Z * share / (1 - share)))
