"""Plots of a bench: a box a row, latency against temperature, a long run against time."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.bench.sustained import windows
from edgecnn.bench.verdicts import name_of
from edgecnn.report.plots.network import COLOURS
from edgecnn.report.plots.text import literal
from edgecnn_runtime.atomic import replace_file
from edgecnn_runtime.measure.results import BenchResult, ResultRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

# One pause of the system far out would flatten all boxes.
WHISKERS = (1, 99)


def draw_bench(results: Mapping[str, BenchResult], path: Path, *, is_sustained: bool) -> None:
    """A figure with a part for each device that was timed.

    A box holds the middle half of a row's samples, its line the median, its whiskers 98 % of them.
    Beside it the latency of each block against the temperature, where the device tells one. A long
    run has latency and temperature against time instead.

    Raises:
        OutputNotWritable: the file cannot be written.
        ModuleNotFoundError: matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    timed = {d: result for d, result in results.items() if any(r.latency for r in result.rows)}
    most = max((len(result.rows) for result in timed.values()), default=1)
    height = (5.5 if is_sustained else max(2.4, 0.38 * most + 1.5)) * max(1, len(timed))
    figure = Figure(figsize=(10, height), layout="constrained")
    parts = figure.subfigures(max(1, len(timed)), 1, squeeze=False)[:, 0]
    for part, (device, result) in zip(parts, timed.items(), strict=False):
        _draw_device(part, device, result, is_sustained)
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix.lstrip(".").lower() or "png", dpi=120)
    with replace_file(path) as stream:
        stream.write(content.getvalue())


def _draw_device(part: SubFigure, device: str, result: BenchResult, is_sustained: bool) -> None:
    has_heat = any(moment.state and moment.state.celsius for moment in result.moments)
    if is_sustained:
        panels = part.subplots(1 + has_heat, 1, sharex=True, squeeze=False)[:, 0]
        _draw_time(list(panels), result)
    else:
        panels = part.subplots(1, 1 + has_heat, squeeze=False)[0]
        _draw_boxes(panels[0], result.rows)
        if has_heat:
            _draw_heat(panels[1], result)
    for axes in panels:
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    machine = (result.host and (result.host.model or result.host.cpu)) or ""
    tainted = " (TAINTED)" if result.tainted else ""
    part.suptitle(f"{literal(f'{device}: {machine}')}{tainted}")


def _draw_boxes(axes: Axes, rows: Sequence[ResultRow]) -> None:
    timed = [row for row in rows if row.latency]
    boxes: Any = axes.boxplot(
        [row.latency.samples_ms for row in timed if row.latency],
        orientation="horizontal",
        whis=WHISKERS,
        showfliers=False,
        widths=0.6,
        patch_artist=True,
        medianprops={"color": "black"},
    )
    for box, row in zip(boxes["boxes"], timed, strict=True):
        box.set_facecolor(_colour(rows, row))
        box.set_alpha(0.6)
    axes.set_yticks(range(1, len(timed) + 1), [_label(row) for row in timed], size=8)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("latency (ms); box 25–75 %, whiskers 1–99 %")


def _draw_heat(axes: Axes, result: BenchResult) -> None:
    heat = {
        moment.number: max(moment.state.celsius.values())
        for moment in result.moments
        if moment.state and moment.state.celsius
    }
    for row in result.rows:
        if row.latency is None:
            continue
        pairs = [
            (heat[number], ms)
            for number, ms in zip(row.rounds, row.latency.blocks_ms, strict=True)
            if number in heat
        ]
        x, y = zip(*pairs, strict=True) if pairs else ((), ())
        axes.plot(x, y, ".", color=_colour(result.rows, row))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("temperature (°C)")
    axes.set_ylabel("block median (ms)")


def _draw_time(panels: Sequence[Axes], result: BenchResult) -> None:
    minutes = {moment.number: moment.at_s / 60 for moment in result.moments}
    pieces = windows(result)
    centres = [(piece.from_s + piece.to_s) / 120 for piece in pieces]
    for index, row in enumerate(result.rows):
        if row.latency is None:
            continue
        colour = _colour(result.rows, row)
        x = [minutes[number] for number in row.rounds]
        panels[0].plot(x, row.latency.blocks_ms, ".", ms=2, alpha=0.25, color=colour)
        medians = [piece.medians_ms.get(index, np.nan) for piece in pieces]
        panels[0].plot(centres, medians, color=colour, label=literal(name_of(row)))
    panels[0].set_ylim(bottom=0)
    panels[0].set_ylabel("latency (ms)")
    panels[0].legend(frameon=False, fontsize=8)
    for before, now in pairwise(pieces):
        if now.order != before.order:
            panels[0].axvline(now.from_s / 60, color="black", ls=":", lw=1)
    if len(panels) > 1:
        temperatures = [(m.at_s / 60, m.state.celsius) for m in result.moments if m.state]
        panels[1].plot(
            [at for at, zones in temperatures if zones],
            [max(zones.values()) for _, zones in temperatures if zones],
            color=COLOURS[4],
        )
        panels[1].set_ylabel("hottest zone (°C)")
    panels[-1].set_xlabel("time (minutes); dotted: the ranking changes")


def _colour(rows: Sequence[ResultRow], row: ResultRow) -> str:
    return COLOURS[rows.index(row) % len(COLOURS)]


def _label(row: ResultRow) -> str:
    return literal(name_of(row)).replace(" on ", "\n")
