"""Score of a quantised network on the samples that judge it: SQNR of all, and of a typical one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.manifest import ChannelGroup
from edgecnn_runtime.parity.difference import Answer, Difference, Groups, compare

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


def score(pairs: Sequence[tuple[Outputs, Outputs]], groups: Groups | None = None) -> Score:
    """Score of (expected, actual) outputs, a pair for each sample.

    Args:
        groups: of each output's channels; those that are missing are found from what is expected.
    """
    answers = [[Answer(name, one[name], other[name]) for name in one] for one, other in pairs]
    whole = compare((each for sample in answers for each in sample), groups)
    known: dict[str, tuple[ChannelGroup, ...]] = {}
    for each in whole.groups:
        known[each.output] = (*known.get(each.output, ()), each.group)
    noises: dict[str, list[float]] = {group.name: [] for group in whole.groups}
    for sample in answers:
        for group in compare(sample, known).groups:
            noises[group.name].append(group.noise)
    typical = min(g.sqnr_db + _above_typical_db(noises[g.name]) for g in whole.groups)
    return Score(**vars(whole), typical_db=typical)


def _above_typical_db(noises: Sequence[float]) -> float:
    """How far the mean of the noises lies above their geometric mean, in dB; 0 without noise."""
    mean = sum(noises) / len(noises)
    if not mean or not math.isfinite(mean):
        return 0.0
    logs = [math.log10(max(noise, LEAST_NOISE * mean)) for noise in noises]
    return 10 * (math.log10(mean) - sum(logs) / len(logs))
