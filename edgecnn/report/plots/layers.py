"""Plot of the quantisation sensitivity of each layer."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.report.plots.network import COLOURS
from edgecnn.report.plots.text import literal
from edgecnn_runtime.atomic import replace_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from edgecnn_exporters.quantise.steps.sensitivity import Sensitivity

# Beyond this many, names no longer fit beside one another.
NAMED = 70
# Layers named where they are too many to name all.
WORST = 3
# Below the curve, for their names, as a share of its height.
ROOM = 0.5


def draw_layers(
    before: Sequence[Sensitivity], after: Sequence[Sensitivity], path: Path, title: str
) -> None:
    """Two panels over the layers: each quantised alone, and the error gathered up to it.

    Args:
        before: quantised to nearest integers within the ranges seen; after: what the ladder made.

    Raises:
        OutputNotWritable: the file cannot be written.
        ModuleNotFoundError: matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(8.0, 0.16 * len(after)), 7.5), layout="constrained")
    alone, gathered = figure.subplots(2, 1, sharex=True)
    panels = (
        (alone, "isolated_db", "this layer alone in int8:\nSQNR of the network's output (dB)"),
        (gathered, "cumulative_db", "all in int8:\nSQNR of this layer's output (dB)"),
    )
    for axes, field, label in panels:
        _panel(axes, field, before, after)
        axes.set_ylabel(label)
    for number, row in _worst(after) if len(after) > NAMED else ():
        alone.annotate(
            literal(row.node),
            (number, row.isolated_db),
            xytext=(0, -4),
            textcoords="offset points",
            size=8,
            rotation=90,
            ha="center",
            va="top",
        )
    if len(after) > NAMED:
        # Room for the names below.
        low, high = alone.get_ylim()
        alone.set_ylim(bottom=low - ROOM * (high - low))
    alone.legend(frameon=False)
    if len(after) <= NAMED:
        gathered.set_xticks(
            range(len(after)), [literal(row.node) for row in after], rotation=90, size=7
        )
    else:
        gathered.set_xlabel("layer, in the graph's order")
    figure.suptitle(literal(title))
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix.lstrip(".").lower() or "png", dpi=120)
    with replace_file(path) as stream:
        stream.write(content.getvalue())


def _panel(
    axes: Axes, field: str, before: Sequence[Sensitivity], after: Sequence[Sensitivity]
) -> None:
    """One figure of every layer, before and after."""
    places = {row.node: number for number, row in enumerate(after)}
    for rows, colour, name in (
        (before, COLOURS[7], "nearest integers, all that was seen"),
        (after, COLOURS[0], "after the ladder"),
    ):
        known = [row for row in rows if row.node in places]
        x = [places[row.node] for row in known]
        y = [_finite(getattr(row, field)) for row in known]
        axes.plot(x, y, ".-", color=colour, label=name)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _finite(decibels: float) -> float:
    """Finite values to draw: a layer without error has none."""
    return decibels if math.isfinite(decibels) else math.nan


def _worst(rows: Sequence[Sensitivity]) -> list[tuple[int, Sensitivity]]:
    """Index and figures of the most sensitive layers."""
    return sorted(enumerate(rows), key=lambda each: each[1].isolated_db)[:WORST]
