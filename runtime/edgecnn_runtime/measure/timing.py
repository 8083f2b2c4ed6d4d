"""Timed runs: warm-up until stable, raw samples, one or two candidates in turn, disturbances."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Protocol

import numpy as np

from edgecnn_runtime.errors import MeasureError
from edgecnn_runtime.host.facts import Host, HostState, read_host, read_state
from edgecnn_runtime.measure.disturbances import disturbances, drift_reasons
from edgecnn_runtime.measure.job import MeasurementPlan
from edgecnn_runtime.measure.rounds import Clock, WarmUp, round_numbers, round_order, runs_per_block
from edgecnn_runtime.measure.statistics import LatencyComparison, compare, median_interval
from edgecnn_runtime.progress import Progress, no_progress

Run = Callable[[], object]

STABLE = 0.02  # two windows of warm-up agree
WINDOW_RUNS = 5


class Timed(Protocol):
    """A model whose latency is measured, in this process or in one of its own."""

    def warm_up(self, limit_s: float) -> WarmUp:
        """Run until the latency is stable, or until `limit_s` has passed."""
        ...

    def block(self, runs: int) -> Sequence[float]:
        """Milliseconds of each of `runs` runs, one right after the other."""
        ...


class InProcess:
    """A function of this process as a `Timed`."""

    def __init__(self, run: Run, clock: Clock = time.perf_counter_ns) -> None:
        self._run = run
        self._clock = clock

    def warm_up(self, limit_s: float) -> WarmUp:
        return warm_up(self._run, limit_s, self._clock)

    def block(self, runs: int) -> list[float]:
        return timed_block(self._run, runs, self._clock)


@dataclass(frozen=True)
class Latency:
    """Latency samples of one candidate with their statistics, in milliseconds.

    Attributes:
        label: of the candidate.
        samples_ms: every single run, in order.
        blocks_ms: the median of each block, in order.
        median_ms: of all samples.
        interval_ms: 95 % interval of the median.
        p90_ms, p99_ms: percentiles of all samples.
        warmup_runs: number of runs before the first sample.
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
    """Result of `measure`: latency of every candidate, the machine, and its disturbances.

    Attributes:
        tainted: disturbances that make the figures unreliable; empty if there were none.
        comparison: the first candidate against the second, where there are two.
    """

    latencies: tuple[Latency, ...]
    tainted: tuple[str, ...]
    comparison: LatencyComparison | None
    host: Host
    before: HostState
    after: HostState


def measure(
    candidates: Mapping[str, Run],
    plan: MeasurementPlan | None = None,
    *,
    progress: Progress = no_progress,
    state: Callable[[], HostState] = read_state,
    clock: Clock = time.perf_counter_ns,
) -> Measurement:
    """Measure one candidate, or two in turn: A B, B A, A B, …

    Args:
        candidates: label → function to time; the second, if any, is the baseline of the first.
        progress: called with the share done, 0 to 1.
        state: reads the machine's state; clock: nanoseconds. Tests replace both.

    Raises:
        MeasureError: there are no candidates, or more than two.
    """
    plan = plan or MeasurementPlan()
    if not 1 <= len(candidates) <= 2:
        raise MeasureError(f"{len(candidates)} candidates to measure, expected one or two")
    runners = [InProcess(run, clock) for run in candidates.values()]
    warmups = [runner.warm_up(plan.warmup_s) for runner in runners]
    counts = [runs_per_block(plan, warmup) for warmup in warmups]
    blocks: list[list[Sequence[float]]] = [[] for _ in runners]
    before, done = state(), 0.0
    for number in round_numbers(plan, clock):
        for index in round_order(number, len(runners)):
            blocks[index].append(runners[index].block(counts[index]))
        done = (number + 1) / plan.rounds
        progress(done)
    if done < 1:
        progress(1.0)
    after = state()
    latencies = tuple(
        summarise(label, timed, warmup.runs)
        for label, timed, warmup in zip(candidates, blocks, warmups, strict=True)
    )
    drifts = drift_reasons([(each.label, each.blocks_ms) for each in latencies])
    tainted = (*disturbances(before, after), *drifts)
    comparison = None
    if len(latencies) == 2:
        pair = (latencies[0].blocks_ms, latencies[1].blocks_ms)
        comparison = compare(*pair, tainted=bool(tainted))
    return Measurement(latencies, tainted, comparison, read_host(), before, after)


def warm_up(run: Run, limit_s: float, clock: Clock = time.perf_counter_ns) -> WarmUp:
    """Run until the medians of two consecutive windows agree within 2 %.

    Ends with the run that passes `limit_s`, even in the middle of a window.
    """
    return warm_up_blocks(lambda runs: timed_block(run, runs, clock), limit_s, clock)


def warm_up_blocks(
    block: Callable[[int], Sequence[float]], limit_s: float, clock: Clock = time.perf_counter_ns
) -> WarmUp:
    """`warm_up` of what is timed elsewhere: `block` gives the milliseconds of so many runs."""
    end = clock() + limit_s * 1e9
    runs, previous = 0, float("inf")
    while True:
        samples = [*block(1)]
        while len(samples) < WINDOW_RUNS and clock() < end:
            samples += block(1)
        window = median(samples)
        runs += len(samples)
        if abs(window / previous - 1) <= STABLE if previous else not window:
            return WarmUp(runs, window, True)
        if clock() >= end:
            return WarmUp(runs, window, False)
        previous = window


def timed_block(run: Run, times: int, clock: Clock) -> list[float]:
    """Milliseconds of each of `times` runs, with the garbage collector disabled."""
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


def summarise(label: str, blocks: Sequence[Sequence[float]], warmup_runs: int) -> Latency:
    """Median, percentiles and interval of a candidate's blocks.

    Args:
        blocks: milliseconds of every run, block by block.
    """
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
