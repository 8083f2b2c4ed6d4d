"""Difference of outputs from a reference: error and SQNR of each output and group of channels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.manifest import ChannelGroup
from edgecnn_runtime.parity.channels import (
    ChannelStatistics,
    candidate_axes,
    channel_statistics,
    group_channels,
    separation,
)
from edgecnn_runtime.parity.group_difference import GroupDifference, decibels, group_difference
from edgecnn_runtime.parity.proportion import wilson_interval

Groups = Mapping[str, tuple[ChannelGroup, ...]]


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
        top1_of_constant: the share that one and the same answer to every row would have, at best.
    """

    max_abs: float
    relative: float
    sqnr_db: float
    top1_agreement: float
    top1_interval: tuple[float, float]
    n: int
    numbers: int
    groups: tuple[GroupDifference, ...] = ()
    top1_of_constant: float = 0.0

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
    classes: Counter[int] = field(default_factory=Counter)
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
        group_difference(name, output.statistics[group.axis], group)
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
        top1_of_constant=sum(max(o.classes.values()) for o in outputs.values()) / n,
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
    classes = rows.argmax(axis=1)
    output.agreed += int((found.argmax(axis=1) == classes).sum())
    output.classes.update(classes.tolist())
    output.rows += len(rows)
    output.numbers += rows.size


def _groups(output: _Output) -> tuple[ChannelGroup, ...]:
    """The groups along the axis whose channels differ most in range; of equals the first."""
    seen = [output.statistics[axis] for axis in output.axes]
    found = [group_channels(one, axis) for one, axis in zip(seen, output.axes, strict=True)]
    separations = [separation(one, groups) for one, groups in zip(seen, found, strict=True)]
    return found[separations.index(max(separations))]


def _badness(group: GroupDifference) -> float:
    # NaN first: it is no small error.
    return -math.inf if math.isnan(group.sqnr_db) else group.sqnr_db


def _largest(values: Iterable[float]) -> float:
    # max() of NaN depends on the order; np.max propagates it.
    return float(np.max([*values]))
