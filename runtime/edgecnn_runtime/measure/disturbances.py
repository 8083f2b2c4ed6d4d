"""Disturbances of a measurement: foreign load, steal time, throttling, clock drop, drift."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np

from edgecnn_runtime.arrays import Float64
from edgecnn_runtime.host.facts import HostState

# Shares of all the cores' time; such a load moves a median by about as much.
MAX_OTHERS = 0.10
MAX_STEAL = 0.05
MAX_CLOCK_DROP = 0.05
# Beyond both limits the machine was not the same in the first and the last third of a run. Noise
# that is independent from block to block reaches 3 standard errors in about 1 run of a hundred.
MAX_DRIFT = 0.10
MAX_DRIFT_ERRORS = 3.0
MIN_SAMPLES_FOR_DRIFT = 12


def disturbances(
    before: HostState, after: HostState, during: Sequence[HostState] = ()
) -> tuple[str, ...]:
    """Disturbances of the machine between two moments, with figures; empty for none.

    Args:
        during: states of the machine between the two moments.
    """
    reasons = [*_foreign_load(before, after)]
    if limits := sorted({limit for one in (before, *during, after) for limit in one.throttled}):
        reasons.append(f"the processor is limited: {', '.join(limits)}")
    # A limit set before stays set until the next boot, so a repetition during the run is unknown.
    if new_limits := sorted({*after.was_throttled} - {*before.was_throttled, *limits}):
        reasons.append(f"the processor was limited during the run: {', '.join(new_limits)}")
    if after.throttle_count is not None and before.throttle_count is not None:
        times = after.throttle_count - before.throttle_count
        if times > 0:
            reasons.append(f"the cores' counters of throttling rose by {times}")
    clocks = [one.mhz for one in (*during, after) if one.mhz]
    # A governor may lower the clock in an idle moment: the median ignores one low reading.
    if before.mhz and clocks and median(clocks) < before.mhz * (1 - MAX_CLOCK_DROP):
        reasons.append(f"the clock fell from {before.mhz:.0f} to {median(clocks):.0f} MHz")
    return tuple(reasons)


def drift(samples_ms: Sequence[float]) -> float | None:
    """Drift of the latency from the first to the last third of a run, as a share; None if small.

    A drift counts if it exceeds `MAX_DRIFT` and the noise within the two thirds.
    """
    third = len(samples_ms) // 3
    if len(samples_ms) < MIN_SAMPLES_FOR_DRIFT:
        return None
    ends = np.asarray([samples_ms[:third], samples_ms[-third:]], np.float64)
    first, last = np.median(ends, axis=1)
    change = float(last / first - 1)
    if abs(change) <= MAX_DRIFT or abs(last - first) <= MAX_DRIFT_ERRORS * _error(ends):
        return None
    return change


def drift_reasons(rows: Sequence[tuple[str, Sequence[float]]]) -> list[str]:
    """Drifts of rows measured in turn, as text; what slows a machine down slows most rows alike.

    Args:
        rows: name and samples in ms of each.
    """
    changes = [(name, change) for name, samples in rows if (change := drift(samples)) is not None]
    if not changes:
        return []
    least, most = (f"{f(change for _, change in changes):+.0%}" for f in (min, max))
    span = least if least == most else f"{least} to {most}"
    reason = f"the latency drifted by {span} from the first to the last third"
    if len(rows) == 1:
        return [reason]
    name = changes[0][0] if len(changes) == 1 else f"{len(changes)} of {len(rows)} rows"
    return [f"{name}: {reason}"]


def _error(ends: Float64) -> float:
    """The standard error of the difference of the medians of two rows (2, n).

    A median's is sqrt(pi / 2) s / sqrt(n), s from the median absolute deviation so that an outlier
    does not hide a drift.
    """
    deviations = np.abs(ends - np.median(ends, axis=1, keepdims=True))
    spreads = 1.4826 * np.median(deviations, axis=1)
    return float(np.sqrt(np.pi / 2 * (spreads**2).sum() / ends.shape[1]))


def _foreign_load(before: HostState, after: HostState) -> list[str]:
    """Share of all cores that other processes took: busy time less our own, and steal time."""
    if before.cpu is None or after.cpu is None:
        return []
    total = after.cpu.total - before.cpu.total
    if total < 0.5:  # below half a second the kernel's ticks are too coarse to tell
        return []
    own = after.own_seconds - before.own_seconds
    others = (after.cpu.busy - before.cpu.busy - own) / total
    steal = (after.cpu.steal - before.cpu.steal) / total
    reasons = []
    if others > MAX_OTHERS:
        reasons.append(f"other processes took {others:.0%} of the processor")
    if steal > MAX_STEAL:
        reasons.append(f"the hypervisor took {steal:.0%} of the processor")
    return reasons
