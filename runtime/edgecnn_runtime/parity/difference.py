"""Difference of outputs from a reference: error and SQNR of each output and group of channels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgecnn_runtime.arrays import Array, Float64
from edgecnn_runtime.manifest import ChannelGroup
from edgecnn_runtime.parity.channels import (
    ChannelStatistics,
    candidate_axes,
    channel_statistics,
    group_channels,
    range_of,
    separation,
)
from edgecnn_runtime.parity.proportion import wilson_interval

Groups = Mapping[str, tuple[ChannelGroup, ...]]

# Below this share of their own spread, values that change with the input are not taken for the
# signal: what noise is to be held to would be a residue.
LEAST_RESPONSE = 1 / 8
# Of a group's largest magnitude and of its full scale: what an error is held to at least.
LEAST_OF_LARGEST, LEAST_OF_FULL_SCALE = 1 / 10, 1 / 100
# Ranges of channels in a group's name; the others are dots.
NAMED = 3


@dataclass(frozen=True)
class Answer:
    """One output of one example: the reference and the engine's.

    Attributes:
        is_outside: the example is of the file beside the bundle.
    """

    output: str
    reference: Array
    actual: Array
    is_outside: bool = False


@dataclass(frozen=True)
class GroupDifference:
    """Difference of one group of channels of one output.

    Attributes:
        max_abs: largest absolute error.
        relative: `max_abs` over the group's scale: the largest distance of the reference from the
            group's mean, a tenth of its largest magnitude or a hundredth of its full scale,
            whichever is the largest. A constant is no signal; but float32 rounds each value, and a
            sigmoid's kernel is as exact near 0 as near 1.
        sqnr_db: signal to quantisation-noise ratio in dB; infinite when equal. The signal is what
            changes with the input: each channel's values about their own mean, or, where that is
            little beside the group's spread (`responds` is false), all values about the group's.
            Of a constant, the values themselves.
        response_db: the same, always about each channel's own mean.
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


@dataclass(frozen=True)
class Difference:
    """Difference of the actual outputs from the reference, of all examples.

    Attributes:
        max_abs: largest absolute difference.
        relative: largest of any group, as `GroupDifference.relative` says.
        sqnr_db: lowest of any group; infinite when equal.
        top1_agreement: share of rows whose largest value is at the same index.
        top1_interval: Wilson's 95 % confidence interval of that share.
        n: number of rows compared.
        numbers: number of values compared in these rows.
        groups: all groups, the one of the lowest SQNR first.
    """

    max_abs: float
    relative: float
    sqnr_db: float
    top1_agreement: float
    top1_interval: tuple[float, float]
    n: int
    numbers: int
    groups: tuple[GroupDifference, ...] = ()

    @property
    def worst(self) -> str:
        """Name of the group with the lowest SQNR; empty where there is one group alone."""
        return self.groups[0].name if len(self.groups) > 1 else ""

    @property
    def pooled_db(self) -> float:
        """One SQNR about zero over all outputs, in dB: what bundles of schema 1 list."""
        return decibels(sum(g.power for g in self.groups), sum(g.noise for g in self.groups))


@dataclass
class _Output:
    """What was seen of one output: statistics along each axis that may be its channels."""

    axes: tuple[int | None, ...]
    statistics: dict[int | None, ChannelStatistics] = field(default_factory=dict)
    agreed: int = 0
    rows: int = 0
    numbers: int = 0


def compare(answers: Iterable[Answer], groups: Groups | None = None) -> Difference:
    """Difference of `answers` from their references.

    Args:
        groups: the groups of each output's channels; those that are missing are found from the
            references.

    Raises:
        ValueError: no answer, or one differs in shape from its reference.
    """
    known = groups or {}
    outputs: dict[str, _Output] = {}
    for answer in answers:
        _add(outputs, answer, known.get(answer.output))
    if not outputs:
        raise ValueError("nothing to compare")
    found = [
        _difference(name, output.statistics[group.axis], group)
        for name, output in outputs.items()
        for group in known.get(name) or _groups(output)
    ]
    ranked = sorted(found, key=_badness)
    agreed, n = (sum(getattr(o, what) for o in outputs.values()) for what in ("agreed", "rows"))
    return Difference(
        max_abs=_largest(each.max_abs for each in found),
        relative=_largest(each.relative for each in found),
        sqnr_db=ranked[0].sqnr_db,
        top1_agreement=agreed / n,
        top1_interval=wilson_interval(agreed, n),
        n=n,
        numbers=sum(output.numbers for output in outputs.values()),
        groups=tuple(ranked),
    )


# A value taken as one group.
WHOLE = (ChannelGroup(None, ((0, 1),), 0.0, 0.0),)


def difference(pairs: Iterable[tuple[Array, Array]]) -> Difference:
    """Difference of (reference, actual) arrays of one value, (batch, …), all as one group."""
    answers = (Answer("output", reference, actual) for reference, actual in pairs)
    return compare(answers, {"output": WHOLE})


def find_groups(answers: Iterable[Answer]) -> dict[str, tuple[ChannelGroup, ...]]:
    """The groups of each output's channels, from the references of `answers`."""
    outputs: dict[str, _Output] = {}
    for answer in answers:
        _add(outputs, answer, None)
    return {name: _groups(output) for name, output in outputs.items()}


def decibels(signal: float, noise: float) -> float:
    """``10 log10(signal / noise)``; infinite without noise."""
    if noise == 0:
        return math.inf
    ratio = signal / noise
    return -math.inf if ratio == 0 else 10 * math.log10(ratio)


def _add(
    outputs: dict[str, _Output], answer: Answer, groups: tuple[ChannelGroup, ...] | None
) -> None:
    reference, actual = answer.reference, answer.actual
    if reference.shape != actual.shape:
        raise ValueError(
            f"found shape {actual.shape}, expected {reference.shape} (output {answer.output})"
        )
    axes = candidate_axes(reference.shape) if groups is None else tuple({g.axis for g in groups})
    output = outputs.setdefault(answer.output, _Output(axes))
    for axis in output.axes:
        seen = channel_statistics(reference, actual, axis)
        before = output.statistics.get(axis, seen)
        if len(before.total) != len(seen.total):
            # The batch lies there, as in (time, N, classes).
            output.axes = tuple(each for each in output.axes if each != axis)
            continue
        output.statistics[axis] = before + seen if output.rows else seen
    rows = reference.reshape(len(reference) if reference.ndim > 1 else 1, -1)
    found = actual.reshape(rows.shape)
    output.agreed += int((found.argmax(axis=1) == rows.argmax(axis=1)).sum())
    output.rows += len(rows)
    output.numbers += rows.size


def _groups(output: _Output) -> tuple[ChannelGroup, ...]:
    """The groups along the axis whose channels differ most in range; of equals the first."""
    seen = [output.statistics[axis] for axis in output.axes]
    found = [group_channels(one, axis) for one, axis in zip(seen, output.axes, strict=True)]
    separations = [separation(one, groups) for one, groups in zip(seen, found, strict=True)]
    return found[separations.index(max(separations))]


def _difference(name: str, statistics: ChannelStatistics, group: ChannelGroup) -> GroupDifference:
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
    return max(
        high - mean,
        mean - low,
        LEAST_OF_LARGEST * max(abs(low), abs(high)),
        LEAST_OF_FULL_SCALE * (full_scale or 0.0),
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


def _badness(group: GroupDifference) -> float:
    # NaN first: it is no small error.
    return -math.inf if math.isnan(group.sqnr_db) else group.sqnr_db


def _largest(values: Iterable[float]) -> float:
    # max() of NaN depends on the order; np.max propagates it.
    return float(np.max([*values]))
