"""Table of a bench's results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import PurePosixPath

from edgecnn.bench.compare import Change
from edgecnn.bench.sustained import TimeWindow, windows
from edgecnn.bench.verdicts import (
    agreement_of,
    artefact_of,
    best_of,
    engine_of,
    images_words,
    name_of,
    verdict_of,
)
from edgecnn.console import table
from edgecnn.report.blocks import Block
from edgecnn_runtime.host.facts import Host, HostState
from edgecnn_runtime.measure.results import BenchResult, ResultRow

TITLES = ("artefact", "engine", "threads", "median ms [95 %]", "p90", "cold ms", "MB", "agreement")
NUMBERS = ("threads", "p90", "cold ms", "MB")
# What makes room on a narrow terminal, and stands below its row then.
DETAILS = ("threads", "p90", "cold ms", "MB")
BELOW = (*DETAILS, "agreement", "bundle", "engine")

# A run of the default length ends well before; a longer one is told window by window.
LONG_S = 60.0


def bench_blocks(results: Mapping[str, BenchResult]) -> list[Block]:
    """One line a device, one table of all rows, what disturbed them, and the best choice last."""
    lines = [device_line(device, result) for device, result in results.items()]
    several_devices = len(results) > 1
    bundles = {row.subject.bundle for result in results.values() for row in result.rows}
    names = {PurePosixPath(bundle).name for bundle in bundles}
    before = ["device"] * several_devices + ["bundle"] * (len(names) > 1)
    shown = table(
        (*before, *TITLES, "verdict"),
        right=NUMBERS,
        drop=(DETAILS, *BELOW[len(DETAILS) :]),
        below=BELOW,
    )
    for device, result in results.items():
        for row in result.rows:
            name = PurePosixPath(row.subject.bundle).name
            first = [device] * several_devices + [name] * (len(names) > 1)
            shown.add_row(*first, *_cells(row))
    footnotes = [
        f"{device}: {line}" if several_devices else line
        for device, result in results.items()
        for line in _footnotes(result)
    ]
    return [*lines, shown, *footnotes]


def change_lines(results: Mapping[str, BenchResult], changes: Sequence[Change]) -> list[str]:
    """One line a row that was compared with an earlier bench."""
    several = len(results) > 1
    return [f"{one.device}: {one.words()}" if several else one.words() for one in changes]


def _cells(row: ResultRow) -> tuple[str, ...]:
    threads = "" if row.subject.threads is None else str(row.subject.threads)
    latency, cold = row.latency, row.cold
    median = p90 = ""
    if latency is not None:
        low, high = latency.interval_ms
        digits = 3 if latency.median_ms < 1 else 2 if latency.median_ms < 100 else 1
        median = f"{latency.median_ms:.{digits}f} [{low:.{digits}f}–{high:.{digits}f}]"
        p90 = f"{latency.p90_ms:.{digits}f}"
    return (
        artefact_of(row),
        engine_of(row),
        threads,
        median,
        p90,
        f"{cold.median_ms:.0f}" if cold else "",
        f"{cold.peak_memory_bytes / 1e6:.0f}" if cold else "",
        agreement_of(row),
        verdict_of(row),
    )


def _footnotes(result: BenchResult) -> list[str]:
    lines = [
        f"{verdict_of(row)}: {name_of(row)}: {row.note}"
        for row in result.rows
        if row.verdict in {"differs", "crashed", "refused", "unfinished"}
    ]
    unproven = dict.fromkeys(
        row.artefact or row.subject.artefact or ""
        for row in result.rows
        if row.verdict == "unproven"
    )
    if unproven:
        lines.append(
            f"not verified: {', '.join(unproven)}: without golden examples, zeros were fed and no "
            "answer was compared"
        )
    energies = [row for row in result.rows if row.energy_j is not None]
    if energies:
        listing = ", ".join(f"{name_of(row)} {1e3 * (row.energy_j or 0):.0f}" for row in energies)
        lines.append(f"energy of the whole machine, mJ a run: {listing}")
    if any(moment.at_s > LONG_S for moment in result.moments):
        lines += sustained_lines(result)
    lines += [f"TAINTED: {reason}; measure again on a quiet machine" for reason in result.tainted]
    if steps := [row for row in result.rows if row.is_learning]:
        return [*lines, *(line for row in steps for line in _step_lines(row))]
    best = best_of(result, result.rows[0].subject.bundle)
    if best and len(result.rows) > 1:
        lines.append(f"best: {best.words()}")
    return lines


def _step_lines(row: ResultRow) -> list[str]:
    """A step of learning in times of an inference of as many images, and its memory."""
    lines = []
    if row.comparison is not None:
        ratio = row.comparison
        lines.append(
            f"a step of {images_words(row.subject.batch)} takes {ratio.ratio:.2f} [{ratio.low:.2f}–"
            f"{ratio.high:.2f}] times an inference of them"
        )
    if row.cold is not None and (base := row.cold.base_memory_bytes) is not None:
        own = row.cold.peak_memory_bytes - base
        lines.append(
            f"memory of a step: {own / 1e6:.0f} MB beyond the {base / 1e6:.0f} MB of Python and "
            "engine alone"
        )
    return lines


def device_line(device: str, result: BenchResult) -> str:
    """The machine, its state before and after, and how often each row was measured."""
    if result.host is None or result.before is None:
        return f"{device}: nothing was timed"
    parts = [*_machine(result.host), *_conditions(result.host, result.before, result.after)]
    timed = [row.latency for row in result.rows if row.latency]
    if timed:
        runs = [len(latency.samples_ms) for latency in timed]
        span = f"{min(runs)}" if min(runs) == max(runs) else f"{min(runs)} to {max(runs)}"
        turns = " in turn" if len(timed) > 1 else ""
        parts.append(f"n = {max(len(one.blocks_ms) for one in timed)} rounds{turns}, {span} runs")
    return f"{device}: {', '.join(parts)}"


def _machine(host: Host) -> list[str]:
    cpu = host.cpu or host.machine
    model = [host.model] if host.model and host.model not in cpu else []
    return [*model, f"{host.cores} × {cpu}" if host.cores > 1 else cpu]


def _conditions(host: Host, before: HostState, after: HostState | None) -> list[str]:
    parts = []
    clock = (after or before).mhz
    if clock:
        parts.append(f"{clock:.0f} MHz")
    if host.governors:
        parts.append(f"governor {', '.join(host.governors)}")
    if before.celsius and after is not None and after.celsius:
        hottest = [max(state.celsius.values()) for state in (before, after)]
        parts.append("{:.0f} → {:.0f} °C".format(*hottest))
    throttled = sorted({*before.throttled, *(after.throttled if after else ())})
    parts.append(", ".join(throttled) if throttled else "not throttled")
    return [*parts, f"Python {host.python}"]


def sustained_lines(result: BenchResult) -> list[str]:
    """Summary of a sustained run: its first window, and each change of the ranking."""
    pieces = windows(result)
    if not pieces:
        return []
    lines = [_window_line(result.rows, pieces[0])]
    for before, now in pairwise(pieces):
        if now.order != before.order:
            lines.append(f"the ranking changes: {_window_line(result.rows, now)}")
    if len(lines) == 1 and len(pieces) > 1:
        lines.append(_window_line(result.rows, pieces[-1]))
        lines.append(f"the ranking is the same in all {len(pieces)} windows")
    return lines


def _window_line(rows: Sequence[ResultRow], window: TimeWindow) -> str:
    ranking = ", ".join(f"{name_of(rows[i])} {window.medians_ms[i]:.3g} ms" for i in window.order)
    heat = "" if window.celsius is None else f", {window.celsius:.0f} °C"
    limits = f", {', '.join(window.throttled)}" if window.throttled else ""
    return f"{_clock(window.from_s)}–{_clock(window.to_s)}{heat}{limits}: {ranking}"


def _clock(seconds: float) -> str:
    """``m:ss``"""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
