"""Samples of several runs of a benchmark together, and the least of them as a block's time.

A machine that others use takes the processor away for milliseconds, and more rounds do not make a
median right; the least of many rounds is a run that nobody disturbed. Processor time is the check:
what others take is not in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from statistics import median
from typing import Any

import numpy as np

from benchmarks.interleave import RESULTS

Row = dict[str, Any]
Samples = Mapping[str, Sequence[float]]
CLOCKS = ("wall", "processor")


def pooled(benchmark: str, key: Callable[[Row], Any]) -> dict[Any, Row]:
    """A row for each key, in the order of the file, with the rounds of all its lines.

    Lines of another machine, other features or engines than the newest of the key are left out.
    """
    text = (RESULTS / f"{benchmark}.jsonl").read_text(encoding="utf-8")
    lines: dict[Any, list[Row]] = {}
    for line in map(json.loads, text.splitlines()):
        lines.setdefault(key(line), []).append(line)
    return {each: merge(rows) for each, rows in lines.items()}


def merge(lines: Sequence[Row]) -> Row:
    """The newest line with the rounds of all that are of its machine and engines."""
    newest = lines[-1]
    same = ("machine", "features", "engines")
    alike = [line for line in lines if all(line[each] == newest[each] for each in same)]
    merged = newest | {"disturbed": [*chain(*(line["disturbed"] for line in alike))]}
    for clock in CLOCKS:
        merged[clock] = {
            name: [*chain(*(line[clock][name] for line in alike))] for name in newest[clock]
        }
    return merged


def least(row: Row, place: str, kind: str, rest: str | None = "none") -> float:
    """Milliseconds of one block: the least of its network's rounds less that of the one without.

    Args:
        place: engine and precision, as "openvino int8".
        rest: name of the network without blocks; None takes the whole network's time.
    """
    samples: Samples = row["wall"]
    without = 0.0 if rest is None else min(samples[f"{place} {rest}"])
    return (min(samples[f"{place} {kind}"]) - without) / int(row["blocks"])


def middle(row: Row, place: str, kind: str, clock: str, rest: str | None = "none") -> float:
    """`least` by the medians of the rounds, of the wall clock or of the processor's."""
    samples: Samples = row[clock]
    without = 0.0 if rest is None else median(samples[f"{place} {rest}"])
    return (median(samples[f"{place} {kind}"]) - without) / int(row["blocks"])


def halves(row: Row) -> tuple[Row, Row]:
    """The row with every other round, and with the rest: what chance does to a figure."""
    first, second = dict(row), dict(row)
    for clock in CLOCKS:
        for half, begin in ((first, 0), (second, 1)):
            half[clock] = {name: samples[begin::2] for name, samples in row[clock].items()}
    return first, second


def quality(
    rows: Sequence[Row],
    ratio: Callable[[Row], Sequence[float]],
    by_processor: Callable[[Row], Sequence[float]],
) -> str:
    """A sentence: rounds, how far the halves' ratios differ, how far those of processor time do.

    Args:
        ratio: of a row, by `least`; by_processor: the same ratios of processor time.
    """
    apart, away = [], []
    for row in rows:
        one, other = (np.log(ratio(half)) for half in halves(row))
        apart += [*np.abs(one - other)]
        away += [*np.abs(np.log(ratio(row)) - np.log(by_processor(row)))]
    rounds = sorted({len(next(iter(row["wall"].values()))) for row in rows})
    count = f"{rounds[0]}" if len(rounds) == 1 else f"{rounds[0]} to {rounds[-1]}"
    return (
        f"n = {count} rounds. Ratios of the odd rounds and of the even ones differ by "
        f"{np.expm1(median(apart)):.0%} in the median and by {np.expm1(max(apart)):.0%} at most; "
        f"those of processor time (medians) differ from the table's by "
        f"{np.expm1(median(away)):.0%} and {np.expm1(max(away)):.0%}."
    )
