"""Order and number of measurement rounds. Needs no numpy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgecnn_runtime.measure.job import MeasurementPlan

Clock = Callable[[], int]

# Limits a run of microseconds to some ten thousand samples.
MAX_RUNS_PER_BLOCK = 500
# The range of n pairs contains the median ratio with probability 1 - 2 / 2^n: 99 % takes 8 pairs.
MIN_ROUNDS_FOR_VERDICT = 8


@dataclass(frozen=True)
class WarmUp:
    """Result of a warm-up: its runs, the last latency, and whether that is stable."""

    runs: int
    last_ms: float
    is_stable: bool


def round_numbers(
    plan: MeasurementPlan, clock: Clock = time.perf_counter_ns, first: int = 0
) -> Iterator[int]:
    """The numbers of the rounds that the plan has time for, from `first` on.

    Rounds come in pairs of opposite order, so that no candidate is first more often.
    """
    began = clock()
    if plan.sustained_s is not None:
        number = first
        while number < first + MIN_ROUNDS_FOR_VERDICT or clock() < began + plan.sustained_s * 1e9:
            yield number
            number += 1
        return
    end = began + plan.max_s * 1e9
    for number in range(first, plan.rounds):
        if number >= MIN_ROUNDS_FOR_VERDICT and number % 2 == 0 and clock() >= end:
            return
        yield number


def round_order(number: int, candidates: int) -> list[int]:
    """The order of the candidates in a round: A B C, C B A, then B C A, A C B, …

    Each is first, last and beside each other equally often, so that neither slow drift nor the
    cache content of a neighbour affects one of them alone.
    """
    start = number // 2 % candidates
    order = [(start + step) % candidates for step in range(candidates)]
    return order[:: 1 if number % 2 == 0 else -1]


def runs_per_block(plan: MeasurementPlan, warmup: WarmUp) -> int:
    """The number of runs in a block of about the plan's length."""
    return min(MAX_RUNS_PER_BLOCK, max(1, round(plan.block_ms / max(warmup.last_ms, 1e-6))))
