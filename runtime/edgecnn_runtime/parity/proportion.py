"""Confidence interval of a proportion, such as top-1 agreement."""

from __future__ import annotations


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """The 95 % confidence interval of the share of `right` among `total`.

    Wilson 1927, "Probable Inference"; it stays within 0…1 and is sound near both ends.
    """
    z = 1.959964  # of the normal distribution, two-sided 95 %
    share, square = right / total, z * z / total
    centre = (share + square / 2) / (1 + square)
    half = z / (1 + square) * (share * (1 - share) / total + square / (4 * total)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)
