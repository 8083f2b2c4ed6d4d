"""Tables and picture of depthwise.py, from its lines of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.runtime.blocks import ENGINES, PRECISIONS, places
from benchmarks.runtime.convolution_blocks import Kind, Layer
from benchmarks.runtime.pooled import Row, least, middle, pooled, quality
from benchmarks.training.shared import save, tidy
from edgecnn.report.plots.network import COLOURS, GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BENCHMARK = "runtime/depthwise"
BYTES = {"fp32": 4, "int8": 1}
# Of the picture's axis: what is below is told in words.
LOWEST, HIGHEST = 0.5, 100.0
STYLES = {"fp32": "-", "int8": "--"}


def measured() -> list[Row]:
    """The rounds of each layer, by kernel and width."""
    rows = pooled(BENCHMARK, lambda row: (row["layer"]["kernel"], row["layer"]["channels"]))
    return [rows[key] for key in sorted(rows)]


def tables(rows: Sequence[Row]) -> list[list[str]]:
    """The page's Markdown tables, and the sentence on their quality."""
    said = quality(
        rows,
        lambda row: [_gain(row, place) for place in places()],
        lambda row: [_gain_by_processor(row, place) for place in places()],
    )
    return [ratio_table(rows), [said], time_table(rows), rate_table(rows)]


def ratio_table(rows: Sequence[Row]) -> list[str]:
    """How many times fewer multiply-adds, and how many times faster in each place."""
    lines = [
        "| kernel | channels | MACs | " + " | ".join(_titles()) + " |",
        "|---|---:|---:|" + "---:|" * len(places()),
    ]
    for row in rows:
        layer = Layer(**row["layer"])
        cells = [f"{two_digits(_gain(row, place))} ×" for place in places()]
        kernel = f"{layer.kernel}×{layer.kernel}"
        lines.append(
            f"| {kernel} | {layer.channels} | {1 / layer.ratio:.1f} × | {' | '.join(cells)} |"
        )
    return lines


def time_table(rows: Sequence[Row]) -> list[str]:
    """Milliseconds of a standard block and a separable one, 3×3: least and median of the rounds."""
    lines = [
        "| channels | " + " | ".join(_titles()) + " |",
        "|---:|" + "---|" * len(places()),
    ]
    for row in _three(rows):
        cells = [
            " / ".join(_time(row, place, kind) for kind in ("standard", "separable"))
            for place in places()
        ]
        lines.append(f"| {row['layer']['channels']} | {' | '.join(cells)} |")
    return lines


def rate_table(rows: Sequence[Row]) -> list[str]:
    """3×3: multiply-adds a byte moved and a nanosecond, and what depthwise takes in copies."""
    kinds: tuple[Kind, ...] = ("standard", "pointwise", "depthwise")
    head = ["precision", "channels", "MACs a byte: " + ", ".join(kinds)]
    head += [f"{title}: MACs a ns" for title in ENGINES.values()]
    head += ["depthwise in copies of its map"]
    lines = ["| " + " | ".join(head) + " |", "|---|---:|" + "---|" * (len(head) - 2)]
    for precision in PRECISIONS:
        for row in _three(rows):
            layer = Layer(**row["layer"])
            intensity = [_intensity(layer, kind, precision) for kind in kinds]
            cells = [", ".join(f"{value:.3g}" for value in intensity)]
            for engine in ENGINES:
                rates = [_rate(row, f"{engine} {precision}", kind) for kind in kinds]
                cells.append(", ".join(f"{rate:.0f}" for rate in rates))
            copies = [_copies(row, engine, precision) for engine in ENGINES]
            cells.append(", ".join(f"{count:.0f}" for count in copies))
            lines.append(f"| {precision} | {layer.channels} | {' | '.join(cells)} |")
    return lines


def draw(rows: Sequence[Row]) -> None:
    """``docs/images/depthwise_separable.png``: how many times faster, against width; by kernel."""
    from matplotlib.figure import Figure

    kernels = sorted({row["layer"]["kernel"] for row in rows})
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    panels = figure.subplots(1, len(kernels), sharey=True, squeeze=False)[0]
    for panel, kernel in zip(panels, kernels, strict=True):
        _panel(panel, [row for row in rows if row["layer"]["kernel"] == kernel])
        panel.set_title(f"{kernel}×{kernel}", fontsize=11)
    panels[0].set_ylabel("standard / separable")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False)
    figure.suptitle(
        "How many times faster a separable block is, and how many times fewer MACs it has"
    )
    save(figure, "depthwise_separable.png")


def _panel(panel: Axes, rows: Sequence[Row]) -> None:
    widths = [row["layer"]["channels"] for row in rows]
    theory = [1 / Layer(**row["layer"]).ratio for row in rows]
    panel.plot(widths, theory, color=GREY, linewidth=2.5, label="MACs")
    for place in places():
        engine, _, precision = place.partition(" ")
        colour = COLOURS[list(ENGINES).index(engine)]
        gains = [_gain(row, place) for row in rows]
        label = f"{ENGINES[engine]} {precision}"
        panel.plot(widths, gains, "o" + STYLES[precision], color=colour, markersize=4, label=label)
        if min(gains) < LOWEST:
            words = f"{label}: {two_digits(min(gains))} to {two_digits(max(gains))} ×"
            panel.annotate(words, (0.04, 0.02), xycoords="axes fraction", color=colour, fontsize=8)
    panel.axhline(1, color=GREY, linewidth=0.8, linestyle=":")
    panel.set_xscale("log", base=2)
    panel.set_yscale("log", base=2)
    panel.set_ylim(LOWEST, HIGHEST)
    panel.set_xticks(widths, [str(width) for width in widths])
    panel.yaxis.set_major_formatter("{x:g}")
    panel.set_xlabel("channels")
    tidy(panel)


def two_digits(value: float) -> str:
    """About two significant digits, zeros at the end included: 75, 3.0, 0.85, 0.019."""
    decimals = next((count for count, least in enumerate((10, 1, 0.1)) if value >= least), 3)
    return f"{value:.{decimals}f}"


def _titles() -> list[str]:
    return [f"{ENGINES[engine]} {precision}" for precision in PRECISIONS for engine in ENGINES]


def _three(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["layer"]["kernel"] == 3]


def _gain(row: Row, place: str) -> float:
    """A standard block's time over a separable one's."""
    return least(row, place, "standard") / least(row, place, "separable")


def _gain_by_processor(row: Row, place: str) -> float:
    standard, separable = (
        middle(row, place, kind, "processor") for kind in ("standard", "separable")
    )
    return standard / separable


def _time(row: Row, place: str, kind: Kind) -> str:
    return f"{least(row, place, kind):.3g} ({middle(row, place, kind, 'wall'):.3g})"


def _intensity(layer: Layer, kind: Kind, precision: str) -> float:
    """Multiply-adds for each byte of maps and weights, each moved once."""
    return layer.macs(kind) / (layer.values(kind) * BYTES[precision])


def _rate(row: Row, place: str, kind: Kind) -> float:
    """Multiply-adds a nanosecond."""
    return float(row["macs"][kind] / least(row, place, kind) / 1e6)


def _copies(row: Row, engine: str, precision: str) -> float:
    """A depthwise block's time in those that numpy takes to copy a map of its size."""
    copy = min(row["wall"][f"copy {precision}"])
    return float(least(row, f"{engine} {precision}", "depthwise") / copy)
