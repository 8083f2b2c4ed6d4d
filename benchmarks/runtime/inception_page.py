"""Tables and picture of inception.py, from its lines of results and the zoo's counter."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.runtime.blocks import ENGINES, PRECISIONS, places
from benchmarks.runtime.inception_blocks import FORMS, INPUTS, LARGE_KERNELS, WHOLE, count
from benchmarks.runtime.pooled import Row, least, middle, pooled, quality
from benchmarks.training.shared import save, tidy
from edgecnn.report.plots.network import COLOURS, GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BENCHMARK = "runtime/inception"
TIMED = ("3a", "4a", "5b", WHOLE)
HATCHES = {"fp32": "", "int8": "///"}


def measured() -> list[Row]:
    """The rounds of each block and of the whole network, in the order of `TIMED`."""
    rows = pooled(BENCHMARK, lambda row: row["name"])
    return [rows[name] for name in TIMED if name in rows]


def tables(rows: Sequence[Row]) -> list[list[str]]:
    """The page's Markdown tables, and the sentence on their quality."""
    said = quality(
        rows,
        lambda row: [_ratio(row, *each) for each in product(places(), LARGE_KERNELS)],
        lambda row: [_ratio_by_processor(row, *each) for each in product(places(), LARGE_KERNELS)],
    )
    return [count_table(), [said], *(time_table(rows, large) for large in LARGE_KERNELS)]


def count_table() -> list[str]:
    """Multiply-adds and parameters of every block, with and without reductions."""
    lines = [
        "| block | reads | "
        + " | ".join(f"MACs, {k}×{k} | parameters, {k}×{k}" for k in LARGE_KERNELS)
        + " |",
        "|---|---|" + "---|" * 2 * len(LARGE_KERNELS),
    ]
    for name in (*INPUTS, WHOLE):
        reads = "3×224×224"
        if name in INPUTS:
            side, channels = INPUTS[name]
            reads = f"{channels}×{side}×{side}"
        cells = []
        for large in LARGE_KERNELS:
            (macs, parameters), (more, larger) = (count(name, form, large) for form in FORMS)
            cells.append(f"{macs / 1e6:,.0f} → {more / 1e6:,.0f} M, {more / macs:.1f} ×")
            cells.append(f"{parameters / 1e3:,.0f} → {larger / 1e3:,.0f} k")
        lines.append(f"| {name} | {reads} | {' | '.join(cells)} |")
    return lines


def time_table(rows: Sequence[Row], large: int) -> list[str]:
    """Milliseconds with → without reductions, and their ratio."""
    titles = [f"{ENGINES[engine]} {precision}" for precision in PRECISIONS for engine in ENGINES]
    lines = [
        f"| large kernel {large}×{large} | MACs | " + " | ".join(titles) + " |",
        "|---|---:|" + "---|" * len(titles),
    ]
    for row in rows:
        cells = [f"{_count_ratio(row, large):.1f} ×"]
        for place in places():
            reduced, direct = (least(row, place, f"{form} {large}", _rest(row)) for form in FORMS)
            cells.append(f"{reduced:.3g} → {direct:.3g}, {direct / reduced:.1f} ×")
        lines.append(f"| {row['name']} | {' | '.join(cells)} |")
    return lines


def draw(rows: Sequence[Row]) -> None:
    """``docs/images/inception_reduction.png``: how many times as much without reductions."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.8), layout="constrained")
    panels = figure.subplots(1, len(LARGE_KERNELS), sharey=True)
    for panel, large in zip(panels, LARGE_KERNELS, strict=True):
        _panel(panel, rows, large)
        panel.set_title(f"large kernel {large}×{large}", fontsize=11)
    panels[0].set_ylabel("without reductions / with")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False)
    figure.suptitle("Inception blocks without their 1×1 reductions: MACs and time")
    save(figure, "inception_reduction.png")


def _panel(panel: Axes, rows: Sequence[Row], large: int) -> None:
    thick = 0.8 / (1 + len(places()))
    where = np.arange(len(rows)) - 0.4 + thick / 2
    ratios = [_count_ratio(row, large) for row in rows]
    panel.bar(where, ratios, thick * 0.9, color=GREY, label="MACs")
    for index, place in enumerate(places(), 1):
        engine, _, precision = place.partition(" ")
        heights = [_ratio(row, place, large) for row in rows]
        panel.bar(
            where + index * thick,
            heights,
            thick * 0.9,
            color=COLOURS[list(ENGINES).index(engine)],
            hatch=HATCHES[precision],
            edgecolor="white",
            linewidth=0,
            label=f"{ENGINES[engine]} {precision}",
        )
    panel.axhline(1, color=GREY, linewidth=0.8, linestyle=":")
    panel.set_xticks(range(len(rows)), [row["name"] for row in rows])
    tidy(panel)


def _count_ratio(row: Row, large: int) -> float:
    (reduced, _), (direct, _) = (count(row["name"], form, large) for form in FORMS)
    return direct / reduced


def _ratio(row: Row, place: str, large: int) -> float:
    """A block's time without reductions over that with."""
    reduced, direct = (least(row, place, f"{form} {large}", _rest(row)) for form in FORMS)
    return direct / reduced


def _ratio_by_processor(row: Row, place: str, large: int) -> float:
    reduced, direct = (
        middle(row, place, f"{form} {large}", "processor", _rest(row)) for form in FORMS
    )
    return direct / reduced


def _rest(row: Row) -> str | None:
    """Name of the network without the block; GoogLeNet is timed as a whole."""
    return None if row["name"] == WHOLE else "none"
