"""Score of a quantised network: SQNR over all samples, of a typical one, and of each by itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.parity.difference import Answer, Difference, Groups, compare
from edgecnn_runtime.parity.group_difference import decibels

# Of a group's noise: what a sample that is exact counts as at least.
LEAST_NOISE = 1e-6
# What is more is listed as this: nothing is lost, and JSON holds no infinity.
MOST_LISTED_DB = 200.0

# The outputs of one sample, by name.
Outputs = Mapping[str, Array]


@dataclass(frozen=True)
class Score(Difference):
    """Difference of the 8-bit outputs from the float network's, with the figure that decides.

    Attributes:
        typical_db: lowest SQNR of any group whose noise is the geometric mean over the samples.
        sample_db: of each sample by itself, the lowest SQNR of any group; the signal is that of
            all samples.
    """

    typical_db: float = math.nan
    sample_db: tuple[float, ...] = ()

    @property
    def judged_db(self) -> float:
        """What decides: the mean of `sqnr_db` and `typical_db`.

        Five images of a thousand make half of all noise, and would decide about the rest; nor are
        they to be given up for a gain of the others.
        """
        return (self.sqnr_db + self.typical_db) / 2


def listed_decibels(value: float) -> float | None:
    """Decibels as a provenance lists them: rounded, finite; None for no number."""
    if math.isnan(value):
        return None
    return round(min(max(value, -MOST_LISTED_DB), MOST_LISTED_DB), 2)


def score(expected: Iterable[Outputs], actual: Iterable[Outputs], groups: Groups) -> Score:
    """Score of the outputs for each sample; one sample's are in memory at a time.

    Args:
        groups: of each output's channels.
    """
    noises: dict[str, list[float]] = {}

    def answers() -> Iterator[Answer]:
        for one, other in zip(expected, actual, strict=True):
            sample = [Answer(name, one[name], other[name]) for name in one]
            for group in compare(sample, groups).groups:
                noises.setdefault(group.name, []).append(group.noise)
            yield from sample

    whole = compare(answers(), groups)
    typical = min(each.sqnr_db + _above_typical_db(noises[each.name]) for each in whole.groups)
    own = [_sample_db(each.sqnr_db, noises[each.name]) for each in whole.groups]
    return Score(
        **vars(whole), typical_db=typical, sample_db=tuple(map(min, zip(*own, strict=True)))
    )


def _above_typical_db(noises: Sequence[float]) -> float:
    """How far the mean of the noises lies above their geometric mean, in dB; 0 without noise."""
    mean = sum(noises) / len(noises)
    if not mean or not math.isfinite(mean):
        return 0.0
    logs = [math.log10(max(noise, LEAST_NOISE * mean)) for noise in noises]
    return 10 * (math.log10(mean) - sum(logs) / len(logs))


def _sample_db(sqnr_db: float, noises: Sequence[float]) -> list[float]:
    """The SQNR of each sample of a group, from the one of all."""
    mean = sum(noises) / len(noises)
    if not mean:
        return [math.inf] * len(noises)
    return [sqnr_db + decibels(mean, noise) for noise in noises]
