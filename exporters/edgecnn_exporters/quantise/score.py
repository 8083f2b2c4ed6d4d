"""Score of a quantised network on the samples that judge it: SQNR of all, and of a typical one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.parity.difference import Answer, Difference, Groups, compare, find_groups

# Of a group's noise: what a sample that is exact counts as at least.
LEAST_NOISE = 1e-6

# The outputs of one sample, by name.
Outputs = Mapping[str, Array]


@dataclass(frozen=True)
class Score(Difference):
    """Difference of the 8-bit outputs from the float network's, with the figure that decides.

    Attributes:
        typical_db: lowest SQNR of any group whose noise is the geometric mean over the samples.
    """

    typical_db: float = math.nan

    @property
    def judged_db(self) -> float:
        """What decides: the mean of `sqnr_db` and `typical_db`.

        Five images of a thousand make half of all noise, and would decide about the rest; nor are
        they to be given up for a gain of the others.
        """
        return (self.sqnr_db + self.typical_db) / 2


def score(
    expected: Sequence[Outputs], actual: Iterable[Outputs], groups: Groups | None = None
) -> Score:
    """Score of the outputs for each sample; one sample's are in memory at a time.

    Args:
        groups: of each output's channels; None finds them from what is expected.
    """
    known = groups or find_groups(
        Answer(name, array, array) for outputs in expected for name, array in outputs.items()
    )
    noises: dict[str, list[float]] = {}

    def answers() -> Iterator[Answer]:
        for one, other in zip(expected, actual, strict=True):
            sample = [Answer(name, one[name], other[name]) for name in one]
            for group in compare(sample, known).groups:
                noises.setdefault(group.name, []).append(group.noise)
            yield from sample

    whole = compare(answers(), known)
    typical = min(each.sqnr_db + _above_typical_db(noises[each.name]) for each in whole.groups)
    return Score(**vars(whole), typical_db=typical)


def _above_typical_db(noises: Sequence[float]) -> float:
    """How far the mean of the noises lies above their geometric mean, in dB; 0 without noise."""
    mean = sum(noises) / len(noises)
    if not mean or not math.isfinite(mean):
        return 0.0
    logs = [math.log10(max(noise, LEAST_NOISE * mean)) for noise in noises]
    return 10 * (math.log10(mean) - sum(logs) / len(logs))
