"""Timed runs: warm-up until stable, raw samples, two artefacts in turn, disturbances named."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np

from edgecnn_runtime.errors import MeasureError
from edgecnn_runtime.host import Host, HostState, read_host, read_state
from edgecnn_runtime.statistics import (
    MIN_ROUNDS_FOR_VERDICT,
    Comparison,
    compare,
    median_interval,
)
from edgecnn_runtime.taint import disturbances, drift

Run = Callable[[], object]
Clock = Callable[[], int]

STABLE = 0.02  # two windows of warm-up agree
WINDOW_RUNS = 5
# Keeps the samples of a run of microseconds to some ten thousand.
MAX_RUNS_PER_BLOCK = 500


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    Attributes:
        rounds: blocks of each candidate; a comparison has as many pairs.
        block_ms: a block repeats the run until about this long, at least once and at most
            `MAX_RUNS_PER_BLOCK` times.
        warmup_s: the warm-up of each candidate ends here, stable or not.
        max_s: no further round begins after this long, once there are enough for a verdict.
    """

    rounds: int = 30
    block_ms: float = 60.0
    warmup_s: float = 3.0
    max_s: float = 20.0


@dataclass(frozen=True)
class Latency:
    """One candidate's samples and what they say; all times in milliseconds.

    Attributes:
        samples_ms: every single run, in order.
        blocks_ms: the median of each block, in order.
        interval_ms: 95 % interval of the median.
        warmup_runs: runs before the first sample.
    """

    label: str
    samples_ms: tuple[float, ...]
    blocks_ms: tuple[float, ...]
    median_ms: float
    interval_ms: tuple[float, float]
    p90_ms: float
    p99_ms: float
    warmup_runs: int


@dataclass(frozen=True)
class Measurement:
    """A whole run: every candidate, the machine, and what disturbed it.

    Attributes:
        tainted: why these figures are not to be trusted; empty when nothing disturbed the run.
        comparison: the first candidate against the second, where there are two.
    """

    latencies: tuple[Latency, ...]
    tainted: tuple[str, ...]
    comparison: Comparison | None
    host: Host
    before: HostState
    after: HostState


def measure(
    candidates: Mapping[str, Run],
    plan: Plan | None = None,
    *,
    progress: Callable[[float], None] = lambda done: None,
    state: Callable[[], HostState] = read_state,
    clock: Clock = time.perf_counter_ns,
) -> Measurement:
    """Measure one candidate, or two in turn: A B, B A, A B, …

    Args:
        candidates: label → what to run; the second, if any, is the baseline of the first.
        progress: told the share done, 0 to 1.
        state: reads the machine's state; clock: nanoseconds. Others than the real ones in tests.

    Raises:
        MeasureError: there are no candidates, or more than two.
    """
    plan = plan or Plan()
    if not 1 <= len(candidates) <= 2:
        raise MeasureError(f"{len(candidates)} candidates to measure, expected one or two")
    warmups = {label: warm_up(run, plan.warmup_s, clock) for label, run in candidates.items()}
    runs = {
        label: min(MAX_RUNS_PER_BLOCK, max(1, round(plan.block_ms / max(found.last_ms, 1e-6))))
        for label, found in warmups.items()
    }
    blocks: dict[str, list[list[float]]] = {label: [] for label in candidates}
    before = state()
    end = clock() + plan.max_s * 1e9
    for number in range(plan.rounds):
        # A B and B A come in pairs, so that neither is first more often.
        if number >= MIN_ROUNDS_FOR_VERDICT and number % 2 == 0 and clock() >= end:
            progress(1.0)
            break
        order = list(candidates)[:: 1 if number % 2 == 0 else -1]
        for label in order:
            blocks[label].append(_block(candidates[label], runs[label], clock))
        progress((number + 1) / plan.rounds)
    after = state()
    latencies = tuple(
        _latency(label, found, warmups[label].runs) for label, found in blocks.items()
    )
    tainted = (*disturbances(before, after), *_drifts(latencies))
    comparison = None
    if len(latencies) == 2:
        pair = (latencies[0].blocks_ms, latencies[1].blocks_ms)
        comparison = compare(*pair, tainted=bool(tainted))
    return Measurement(latencies, tainted, comparison, read_host(), before, after)


@dataclass(frozen=True)
class WarmUp:
    """What it took until the latency was stable, and where it settled."""

    runs: int
    last_ms: float
    is_stable: bool


def warm_up(run: Run, limit_s: float, clock: Clock = time.perf_counter_ns) -> WarmUp:
    """Run until the medians of two windows that follow one another agree within 2 %.

    Ends with the run that passes `limit_s`, be it in the middle of a window.
    """
    end = clock() + limit_s * 1e9
    runs, previous = 0, float("inf")
    while True:
        samples = _block(run, 1, clock)
        while len(samples) < WINDOW_RUNS and clock() < end:
            samples += _block(run, 1, clock)
        window = median(samples)
        runs += len(samples)
        if abs(window / previous - 1) <= STABLE if previous else not window:
            return WarmUp(runs, window, True)
        if clock() >= end:
            return WarmUp(runs, window, False)
        previous = window


def _block(run: Run, times: int, clock: Clock) -> list[float]:
    """Milliseconds of each of `times` runs. The garbage collector waits until the end."""
    collects = gc.isenabled()
    gc.disable()
    stamps = [clock()]
    try:
        for _ in range(times):
            run()
            stamps.append(clock())
    finally:
        if collects:
            gc.enable()
    return [(b - a) / 1e6 for a, b in pairwise(stamps)]


def _latency(label: str, blocks: list[list[float]], warmup_runs: int) -> Latency:
    samples = tuple(sample for block in blocks for sample in block)
    p90, p99 = np.quantile(samples, [0.9, 0.99])
    return Latency(
        label=label,
        samples_ms=samples,
        blocks_ms=tuple(median(block) for block in blocks),
        median_ms=median(samples),
        interval_ms=median_interval(samples),
        p90_ms=float(p90),
        p99_ms=float(p99),
        warmup_runs=warmup_runs,
    )


def _drifts(latencies: tuple[Latency, ...]) -> list[str]:
    found = []
    for latency in latencies:
        if reason := drift(latency.blocks_ms):
            found.append(f"{latency.label}: {reason}" if len(latencies) > 1 else reason)
    return found
