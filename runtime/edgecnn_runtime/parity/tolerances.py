"""Tolerances of a parity verdict: the largest accepted error of each precision, with its reason."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.golden import Difference


@dataclass(frozen=True)
class Tolerance:
    """The largest accepted error, relative to the largest magnitude of the reference output."""

    relative: float
    reason: str


TOLERANCES: dict[str, Tolerance] = {
    "fp32": Tolerance(
        1e-4,
        "kernels sum float32 products in different orders: with n terms the relative error grows "
        "as sqrt(n) * 2^-24, 3e-6 for the 1,280 inputs of MobileNetV2's classifier, over 50 layers",
    ),
    "fp16": Tolerance(
        2e-2,
        "weights rounded to 11 bits, computed with in float32: each is off by 2^-11 of itself at "
        "most, 2e-4 in the mean square, and L layers add up to 2e-4 * sqrt(L); the largest of a "
        "thousand outputs deviates by four times that: 6e-3 for 53 layers. MobileNetV2 has 6e-3 of "
        "its largest logit, the other networks 5e-4 to 2e-3; thrice the worst",
    ),
}


def is_within(difference: Difference, precision: str) -> bool:
    """Whether the difference is within the precision's tolerance; NaN never is."""
    return difference.relative <= TOLERANCES[precision].relative


# An 8-bit artefact's allowed loss of SQNR on another engine or CPU: its noise power, doubled.
# Integer kernels round the same sum to neighbouring steps, which is noise as large as that of
# quantising; a saturated product or a wrong zero point costs ten decibels and more.
ALLOWED_LOSS_DB = 3.0


def allowed_loss_db(numbers: int) -> float:
    """`ALLOWED_LOSS_DB` plus two standard deviations of a noise power estimated from `numbers`.

    A power estimated from m values has a relative standard deviation of √(2/m), the ratio of two
    such powers one of 2√(1/m): 3 dB more for the thirty logits of three photographs, 0.3 dB for
    three thousand.
    """
    return ALLOWED_LOSS_DB + 2 * (10 / math.log(10)) * 2 / math.sqrt(numbers)


def is_within_limit(difference: Difference, artefact: Artefact) -> bool:
    """Whether the difference is within the artefact's limit.

    The limit is the tolerance of its precision, or, where the manifest lists the SQNR measured at
    export, that value less the allowed loss.
    """
    if artefact.sqnr_db is None:
        return is_within(difference, artefact.precision)
    return difference.sqnr_db >= artefact.sqnr_db - allowed_loss_db(difference.numbers)


def limit_of(artefact: Artefact, numbers: int) -> str:
    """The limit that `is_within_limit` applies to an artefact, as text."""
    if artefact.sqnr_db is None:
        return f"≤ {TOLERANCES[artefact.precision].relative:.0e}"
    return f"≥ {artefact.sqnr_db - allowed_loss_db(numbers):.1f} dB"
