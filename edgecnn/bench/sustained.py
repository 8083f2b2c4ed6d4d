"""Windows of a sustained run: median latencies, temperature, throttling and ranking in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from edgecnn_runtime.measure.results import BenchResult
from edgecnn_runtime.measure.rounds import MIN_ROUNDS_FOR_VERDICT
from edgecnn_runtime.measure.statistics import compare

WINDOWS = 30


@dataclass(frozen=True)
class TimeWindow:
    """A time window of a sustained run.

    Attributes:
        from_s, to_s: since the first round began.
        medians_ms: of each row in it, by index; rows that were not timed in it are absent.
        celsius: mean of the hottest zone; None where no temperature is reported.
        order: rows, fastest first; rows without a significant difference as in the first window.
    """

    from_s: float
    to_s: float
    medians_ms: dict[int, float]
    celsius: float | None
    throttled: tuple[str, ...]
    order: tuple[int, ...]


def windows(result: BenchResult, count: int = WINDOWS) -> list[TimeWindow]:
    """The run in at most `count` pieces of equal length, each long enough for a verdict."""
    moments = result.moments
    count = max(1, min(count, len(moments) // MIN_ROUNDS_FOR_VERDICT))
    if not moments:
        return []
    length_s = moments[-1].at_s / count
    pieces: list[TimeWindow] = []
    for number in range(count):
        begin = number * length_s
        end = moments[-1].at_s if number == count - 1 else (number + 1) * length_s
        inside = [m for m in moments if begin < m.at_s <= end]
        rounds = {moment.number for moment in inside}
        blocks = {
            index: [
                ms for at, ms in zip(row.rounds, row.latency.blocks_ms, strict=True) if at in rounds
            ]
            for index, row in enumerate(result.rows)
            if row.latency is not None
        }
        timed = {index: values for index, values in blocks.items() if values}
        heat = [max(m.state.celsius.values()) for m in inside if m.state and m.state.celsius]
        limits = sorted({limit for m in inside if m.state for limit in m.state.throttled})
        pieces.append(
            TimeWindow(
                begin,
                end,
                {index: median(values) for index, values in timed.items()},
                sum(heat) / len(heat) if heat else None,
                tuple(limits),
                _order(timed, pieces[0].order if pieces else ()),
            )
        )
    return pieces


def _order(blocks: dict[int, list[float]], before: Sequence[int]) -> tuple[int, ...]:
    """Fastest first. Rows swap their places of `before` only where the difference is one."""
    order = [index for index in before if index in blocks]
    order += sorted((i for i in blocks if i not in order), key=lambda i: median(blocks[i]))
    # A bubble sort: rows swap only where this window's samples show a difference.
    for _ in order:
        for place in range(len(order) - 1):
            first, second = order[place : place + 2]
            if _is_faster(blocks[second], blocks[first]):
                order[place : place + 2] = [second, first]
    return tuple(order)


def _is_faster(candidate: Sequence[float], baseline: Sequence[float]) -> bool:
    count = min(len(candidate), len(baseline))
    return count >= MIN_ROUNDS_FOR_VERDICT and (
        compare(candidate[:count], baseline[:count]).verdict == "faster"
    )
