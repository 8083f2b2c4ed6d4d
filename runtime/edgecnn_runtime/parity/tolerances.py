"""Tolerances of a parity verdict: the largest accepted error of each precision, with its reason."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.difference import Difference
from edgecnn_runtime.parity.group_difference import GroupDifference


@dataclass(frozen=True)
class Tolerance:
    """The largest accepted error, relative to the scale of each group of output channels."""

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

# Least SQNR in dB of every group of output channels of an int8 artefact: the noise is a thirtieth
# of the signal's power. One that has less is weak.
FLOOR_DB = 15.0
# An artefact that follows its input no better than its own mean would does not answer.
LEAST_RESPONSE_DB = 3.0
# More SQNR than this is not asked of another kernel: where little is left of the noise of 8 bits,
# because what counts is float, one rounding of a neighbouring step is most of it.
ENOUGH_DB = 40.0
# What a manifest lists at most: 8 bits that are nearer are float, or constant.
BEST_DB = 60.0
# Of an output's full scale: errors of 8 bits below it matter to nobody, whatever the signal is. A
# detector that finds nothing answers 1e-7 everywhere.
LEAST_OF_FULL_SCALE = 1e-3
# Of an output's full scale: errors of 8 bits that change no decision, where the artefact follows
# its input. The scores of a class that is not in the pictures are 0.05, and 0.03 in 8 bits.
HARMLESS_OF_FULL_SCALE = 1 / 32


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


def is_negligible(group: GroupDifference) -> bool:
    """Whether the error of a group matters to nobody, measured by the output's full scale."""
    full_scale = group.group.full_scale
    return full_scale is not None and group.max_abs <= LEAST_OF_FULL_SCALE * full_scale


def weak_groups(difference: Difference) -> tuple[GroupDifference, ...]:
    """Groups of an int8 artefact's outputs that lose more than int8 should; NaN always does."""
    return tuple(group for group in difference.groups if _is_weak(group))


def _is_weak(group: GroupDifference) -> bool:
    if is_negligible(group) or (group.is_constant and group.sqnr_db >= FLOOR_DB):
        return False
    # Written so that NaN is weak.
    if group.is_flat or not group.response_db >= LEAST_RESPONSE_DB:
        return True
    return not (group.sqnr_db >= FLOOR_DB or _is_harmless(group))


def _is_harmless(group: GroupDifference) -> bool:
    return group.max_abs <= HARMLESS_OF_FULL_SCALE * (group.group.full_scale or 0.0)


def is_within_limit(difference: Difference, artefact: Artefact) -> bool:
    """Whether the difference is within the artefact's limit.

    The limit is the tolerance of its precision, or, where the manifest lists the SQNR measured at
    export, that value less the allowed loss, for each group of output channels.
    """
    if artefact.pooled_db is not None:
        return difference.pooled_db >= artefact.pooled_db - allowed_loss_db(difference.numbers)
    if not artefact.sqnr_db:
        return is_within(difference, artefact.precision)
    measured = by_output(difference)
    if {name: len(groups) for name, groups in measured.items()} != {
        name: len(expected) for name, expected in artefact.sqnr_db.items()
    }:
        return False
    return all(
        _is_near(group, expected, artefact)
        for name, groups in measured.items()
        for group, expected in zip(groups, artefact.sqnr_db[name], strict=True)
    )


def _is_near(group: GroupDifference, expected: float, artefact: Artefact) -> bool:
    if is_negligible(group) or group.sqnr_db >= least_db(expected, group.numbers, artefact):
        return True
    # Of a group whose signal is little beside its full scale, the SQNR says nothing.
    is_as_made = group.sqnr_db >= expected - allowed_loss_db(group.numbers)
    return is_as_made and _is_harmless(group)


def least_db(expected: float, numbers: int, artefact: Artefact) -> float:
    """Least SQNR of a group, in dB, whose artefact had `expected` where it was made.

    Never below the floor less the allowed loss, however few numbers tell, and never below what
    still answers, however little the manifest promises, unless the artefact is weak by it.
    """
    least = min(expected, ENOUGH_DB) - allowed_loss_db(numbers)
    floor = min(FLOOR_DB, max(expected, LEAST_RESPONSE_DB)) - ALLOWED_LOSS_DB
    return least if artefact.is_weak else max(least, floor)


def listed_db(difference: Difference) -> dict[str, tuple[float, ...]]:
    """The SQNR of every group by output, as a manifest lists it: rounded, and finite."""
    return {
        name: tuple(round(min(max(each.sqnr_db, -BEST_DB), BEST_DB), 2) for each in groups)
        for name, groups in by_output(difference).items()
    }


def by_output(difference: Difference) -> Mapping[str, tuple[GroupDifference, ...]]:
    """The groups of each output, in the order of their channels."""
    ranked = sorted(difference.groups, key=lambda each: each.group.channels)
    names = dict.fromkeys(each.output for each in difference.groups)
    return {name: tuple(each for each in ranked if each.output == name) for name in names}


def limit_of(artefact: Artefact, difference: Difference) -> str:
    """The limit that `is_within_limit` applies to an artefact, as text: of the worst group."""
    if artefact.pooled_db is not None:
        return f"≥ {artefact.pooled_db - allowed_loss_db(difference.numbers):.1f} dB"
    if not artefact.sqnr_db:
        return f"≤ {TOLERANCES[artefact.precision].relative:.0e}"
    worst = difference.groups[0]
    at = by_output(difference)[worst.output].index(worst)
    expected = artefact.sqnr_db.get(worst.output, ())
    if at >= len(expected):
        return f"its manifest lists no SQNR of {worst.name}"
    limit = f"≥ {least_db(expected[at], worst.numbers, artefact):.1f} dB"
    return f"{limit} ({worst.name})" if difference.worst else limit


def lost_groups(
    measured: Difference, expected: Difference
) -> Iterator[tuple[GroupDifference, float]]:
    """The groups that lose more than the rounding of other kernels, and the dB expected of each."""
    groups = by_output(measured)
    for name, wanted in by_output(expected).items():
        for group, one in zip(groups[name], wanted, strict=True):
            # Written so that NaN is lost.
            expected_db = min(one.sqnr_db, ENOUGH_DB)
            is_near = group.sqnr_db >= expected_db - allowed_loss_db(group.numbers)
            if not is_near and not is_negligible(group):
                yield group, expected_db
