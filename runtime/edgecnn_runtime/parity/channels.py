"""Per-channel statistics of an output and its error, and groups of channels of like range.

One number over an output that holds boxes in pixels and scores from 0 to 1 is the boxes' alone. So
errors are measured for each group of channels whose ranges lie within `LIKE` of one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgecnn_runtime.arrays import Array, Float64
from edgecnn_runtime.manifest import ChannelGroup

# Largest ratio of the ranges of two channels in one group.
LIKE = 8.0
# Least number of values that a group is judged by; with less it joins the group next to it. The
# SQNR of six values has a standard deviation of 3.5 dB.
FEWEST = 6
# A channel with less values than this has a range of chance: only a gap of `LIKE` between
# neighbours in size parts two groups, so that the few small ones of a thousand logits stay.
MEASURED_WELL = 64
# Of more channels than this, as features have, the ranges are spread without a break, and some
# channel is always small: there only a gap of `LIKE` marks another meaning, too.
FEATURES = 16
# Of the largest range among so many: fewer than `FEWEST` channels below it are features that these
# inputs hardly excite, behind a ReLU, and mean what the others mean.
DEAD = 1e-4
# Axis of the width in (N, C, H, W).
WIDTH = 3


@dataclass(frozen=True)
class ChannelStatistics:
    """Sums over all values of each channel, (channels,) each.

    Attributes:
        count: number of values of one channel.
        total, power: sums of the reference and of its square.
        low, high: least and greatest of the reference.
        actual_low, actual_high: of the actual output.
        noise: sum of the squared error.
        worst: largest absolute error.
    """

    count: int
    total: Float64
    power: Float64
    low: Float64
    high: Float64
    actual_low: Float64
    actual_high: Float64
    noise: Float64
    worst: Float64

    def __add__(self, other: ChannelStatistics) -> ChannelStatistics:
        return ChannelStatistics(
            self.count + other.count,
            self.total + other.total,
            self.power + other.power,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            np.minimum(self.actual_low, other.actual_low),
            np.maximum(self.actual_high, other.actual_high),
            self.noise + other.noise,
            # NaN must never pass for a small error: np.maximum propagates it, and so do sums.
            np.maximum(self.worst, other.worst),
        )

    @property
    def extent(self) -> Float64:
        """Range of the reference in each channel: its greatest value less its least."""
        extent: Float64 = self.high - self.low
        return extent

    @property
    def centred(self) -> Float64:
        """Sum of squares of each channel about its own mean, never below its rounding."""
        about = self.power - np.square(self.total) / self.count
        # float64 keeps 1e-16 of the sum of squares.
        return np.where(about > 1e-13 * self.power, about, 0.0)


def channel_statistics(reference: Array, actual: Array, axis: int | None) -> ChannelStatistics:
    """Statistics of two arrays of one shape along `axis`; None takes them as one channel."""
    expected, found = (_by_channel(array, axis) for array in (reference, actual))
    error = found - expected
    return ChannelStatistics(
        expected.shape[1],
        expected.sum(1),
        np.square(expected).sum(1),
        expected.min(1),
        expected.max(1),
        found.min(1),
        found.max(1),
        np.square(error).sum(1),
        np.abs(error).max(1),
    )


def _by_channel(array: Array, axis: int | None) -> Float64:
    """The array as (channels, values) in float64."""
    values = array.astype(np.float64)
    if axis is None:
        return values.reshape(1, -1)
    return np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)


def candidate_axes(shape: Sequence[int]) -> tuple[int | None, ...]:
    """Axes of an output that may be its channels: the one behind the batch, and the last.

    (N, C, H, W) and (N, C, boxes) have the former, (N, boxes, C) and (N, H, W, C) the latter. None
    stands for none of them.
    """
    return {0: (None,), 1: (None,), 2: (1, None)}.get(len(shape), (1, len(shape) - 1, None))


def group_channels(statistics: ChannelStatistics, axis: int | None) -> tuple[ChannelGroup, ...]:
    """The channels in groups of like range, the largest range first.

    Along the width of a map, where the last axis is no channels, values fade out; there only a gap
    parts two groups, too.
    """
    is_spread = len(statistics.total) > FEATURES or (axis is not None and axis >= WIDTH)
    extent = statistics.extent
    order = np.argsort(-extent, kind="stable")
    is_exact = statistics.count >= MEASURED_WELL and not is_spread
    members: list[list[int]] = []
    top = 0.0
    for channel in order.tolist():
        if not members or not extent[channel] * LIKE >= top:
            members.append([])
            top = extent[channel]
        elif not is_exact:
            top = extent[channel]
        members[-1].append(channel)
    least = DEAD * extent.max(initial=0.0) if is_spread else 0.0
    is_dead = [len(each) < FEWEST and bool(extent[each[0]] < least) for each in members]
    joined = _joined(members, is_dead, statistics.count)
    return tuple(_group(statistics, axis, channels) for channels in joined)


def _joined(members: list[list[int]], is_dead: list[bool], count: int) -> list[list[int]]:
    """Groups that are dead or of too few values joined with the one before.

    The first has none before, and is joined with the one behind.
    """
    joined: list[list[int]] = []
    for channels, dead in zip(members, is_dead, strict=True):
        is_short = joined and min(len(channels), len(joined[-1])) * count < FEWEST
        if joined and (dead or is_short):
            joined[-1] = joined[-1] + channels
        else:
            joined.append(channels)
    return joined


def _group(statistics: ChannelStatistics, axis: int | None, channels: list[int]) -> ChannelGroup:
    indices = sorted(channels)
    low, high = float(statistics.low[indices].min()), float(statistics.high[indices].max())
    return ChannelGroup(axis, runs(indices), low, high)


def runs(indices: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Ascending indices as half-open ranges."""
    runs: list[tuple[int, int]] = []
    for index in indices:
        if runs and runs[-1][1] == index:
            runs[-1] = (runs[-1][0], index + 1)
        else:
            runs.append((index, index + 1))
    return tuple(runs)


def range_of(group: ChannelGroup) -> list[int]:
    """The indices of a group's channels, ascending."""
    return [index for low, high in group.channels for index in range(low, high)]


def separation(statistics: ChannelStatistics, groups: Sequence[ChannelGroup]) -> float:
    """Ratio of the largest range of a channel to the smallest of another group, 1 for one group.

    Channels that are constant tell nothing of where the others lie.
    """
    first = [low for group in groups for low, _ in group.channels[:1]]
    extents = [extent for extent in statistics.extent[first].tolist() if extent]
    return max(extents) / min(extents) if len(extents) > 1 else 1.0
