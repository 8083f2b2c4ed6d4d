"""Error and SQNR of one group of an output's channels, from per-channel statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgecnn_runtime.arrays import Float64
from edgecnn_runtime.manifest import ChannelGroup
from edgecnn_runtime.parity.channels import FEATURES, ChannelStatistics, range_of

# Below this share of their own spread, values that change with the input are not taken for the
# signal: what noise is to be held to would be a residue.
LEAST_RESPONSE = 1 / 8
# Of a group's largest magnitude and of its full scale: what an error is held to at least.
LEAST_OF_LARGEST, LEAST_OF_FULL_SCALE = 1 / 10, 1 / 100
# The same of the largest magnitude of an output of many features: they are sums of the same values,
# and float32 rounds a small sum of large terms as it rounds a large one, by 2^-22 of it.
LEAST_OF_FEATURES = 1 / 400
# Ranges of channels in a group's name; the others are dots.
NAMED = 3


@dataclass(frozen=True)
class GroupDifference:
    """Difference of one group of channels of one output.

    Attributes:
        output: name of the output.
        group: the channels.
        max_abs: largest absolute error.
        relative: `max_abs` over the group's scale: the largest distance of the reference from the
            group's mean, a tenth of its largest magnitude, a hundredth of its full scale or, of an
            output with many channels, 1/400 of the output's largest magnitude, whichever is the
            largest. A constant is no signal; but float32 rounds each value, and a sigmoid's kernel
            is as exact near 0 as near 1.
        sqnr_db: signal to quantisation-noise ratio in dB; infinite when equal. The signal is what
            changes with the input: each channel's values about their own mean, or, where that is
            little beside the group's spread (`responds` is false), all values about the group's.
            Of a constant, the values themselves.
        response_db: the same, always about each channel's own mean.
        responds: what changes with the input is at least `LEAST_RESPONSE` of the group's spread.
        numbers: number of values compared.
        power, noise: sums of squares of the reference and of the error.
        is_constant: every channel of the reference has one value for all examples.
        is_flat: every channel of the actual output has, and the reference has not.
    """

    output: str
    group: ChannelGroup
    max_abs: float
    relative: float
    sqnr_db: float
    response_db: float
    responds: bool
    numbers: int
    power: float
    noise: float
    is_constant: bool
    is_flat: bool

    @property
    def name(self) -> str:
        """Output and channels, as ``output_0[4:84]``."""
        group = self.group
        if group.axis is None:
            return self.output
        runs = [f"{a}:{b}" if b > a + 1 else f"{a}" for a, b in group.channels[:NAMED]]
        more = ["…"] if len(group.channels) > NAMED else []
        return f"{self.output}[{','.join([*runs, *more])}]"


def group_difference(
    name: str, statistics: ChannelStatistics, group: ChannelGroup
) -> GroupDifference:
    """The difference of one group of channels of the output `name`."""
    chosen = _Chosen(statistics, range_of(group))
    count, numbers = statistics.count, statistics.count * len(chosen.channels)
    noise, power = chosen.sum("noise"), chosen.sum("power")
    centred, mean = chosen.sum("centred"), chosen.sum("total") / numbers
    spread = max(power - numbers * mean * mean, centred) * numbers / max(numbers - 1, 1)
    # Sums of squares about a mean that was taken from the same values fall short of the variance.
    response = centred * count / max(count - 1, 1)
    responds = response > 0 and response >= LEAST_RESPONSE**2 * spread
    is_constant = count > 1 and not centred
    max_abs, scale = float(chosen["worst"].max()), _scale(chosen, mean, group.full_scale)
    is_flat = bool((chosen["actual_low"] == chosen["actual_high"]).all())
    return GroupDifference(
        name,
        group,
        max_abs,
        max_abs / scale if scale else max_abs,
        decibels(power if is_constant else response if responds else spread, noise),
        decibels(response, noise),
        responds,
        numbers,
        power,
        noise,
        is_constant,
        is_flat and count > 1 and not is_constant,
    )


def _scale(chosen: _Chosen, mean: float, full_scale: float | None) -> float:
    """What the errors of a group are relative to, as `GroupDifference.relative` says."""
    low, high = float(chosen["low"].min()), float(chosen["high"].max())
    every = chosen.statistics
    is_many = len(every.total) > FEATURES
    largest = float(np.maximum(-every.low, every.high).max()) if is_many else 0.0
    return max(
        high - mean,
        mean - low,
        LEAST_OF_LARGEST * max(abs(low), abs(high)),
        LEAST_OF_FULL_SCALE * (full_scale or 0.0),
        LEAST_OF_FEATURES * largest,
    )


@dataclass(frozen=True)
class _Chosen:
    """Statistics of some of the channels."""

    statistics: ChannelStatistics
    channels: Sequence[int]

    def __getitem__(self, field_name: str) -> Float64:
        values: Float64 = getattr(self.statistics, field_name)[self.channels]
        return values

    def sum(self, field_name: str) -> float:
        return float(self[field_name].sum())


def decibels(signal: float, noise: float) -> float:
    """``10 log10(signal / noise)``; infinite without noise."""
    if noise == 0:
        return math.inf
    ratio = signal / noise
    return -math.inf if ratio == 0 else 10 * math.log10(ratio)
