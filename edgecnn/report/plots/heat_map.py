"""Heat map of a small array: diverging colours around 0, zeros of padding in grey, numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn_runtime.arrays import Float64, Int64

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# ColorBrewer's RdBu: its two ends are told apart by every kind of colour vision.
COLOURS = "RdBu_r"
PADDING = "#C8C8C8"
INK = "#222222"
SOFT = "#595959"
# Rows or columns up to which numbers fit into the cells.
NUMBERED = 8
LINE = 1.6
# Share of the largest value from which a cell is so dark that its number is white.
DARK = 0.6

# First row, first column, rows, columns.
Frame = tuple[int, int, int, int]


@dataclass(frozen=True)
class HeatMap:
    """A panel: values with their formula above and their shape and range below.

    Attributes:
        title: a formula in matplotlib's mathematics.
        values: (rows, columns).
        added: (rows, columns), true where a zero was added by padding or stride; None: nowhere.
        frames: outlined parts.
        marked: (n, 2), rows and columns of cells that are outlined each.
        note: below the shape.
    """

    title: str
    values: Float64
    added: np.ndarray[Any, np.dtype[np.bool_]] | None = None
    frames: tuple[Frame, ...] = ()
    marked: Int64 | None = None
    note: str = ""


def draw_heat_map(axes: Axes, panel: HeatMap) -> None:
    """Draw a panel into its axes."""
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    rows, columns = panel.values.shape
    colours = colormaps[COLOURS].with_extremes(bad=PADDING)
    largest = float(np.abs(panel.values).max()) or 1.0
    shown = np.ma.array(panel.values, mask=False if panel.added is None else panel.added)
    axes.imshow(shown, cmap=colours, vmin=-largest, vmax=largest, interpolation="nearest")
    axes.set_title(panel.title, fontsize=11, pad=5)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(color=SOFT, linewidth=0.8)
    unit = _number_cells(axes, panel, largest) if max(rows, columns) <= NUMBERED else ""
    reach = f"up to ±{largest:.2g}" if panel.values.any() else "all 0"
    lines = [f"{rows}×{columns}, {reach}", unit, panel.note]
    axes.set_xlabel("\n".join(filter(None, lines)), fontsize=8.5, color=SOFT)
    for row, column, height, width in panel.frames:
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), width, height, fill=False, **_FRAME))
    for row, column in () if panel.marked is None else panel.marked:
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, **_MARK))


_FRAME: dict[str, Any] = {"edgecolor": INK, "linewidth": LINE, "clip_on": False}
_MARK: dict[str, Any] = _FRAME | {"edgecolor": "#E69F00", "linewidth": 2.2}


def _number_cells(axes: Axes, panel: HeatMap, largest: float) -> str:
    """Write the values into their cells; returns the power of ten that they are multiples of."""
    exponent = math.floor(math.log10(largest))
    # Numbers from 0.1 to 100 are written as they are.
    exponent = 0 if -1 <= exponent <= 1 else exponent
    for (row, column), value in np.ndenumerate(panel.values):
        is_added = panel.added is not None and panel.added[row, column]
        text = _three_digits(value / 10.0**exponent)
        ink = SOFT if is_added else "white" if abs(value) > DARK * largest else INK
        size = 8.0 if max(panel.values.shape) <= 5 else 6.0
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color=ink)
    return f"numbers × $10^{{{exponent}}}$" if exponent else ""


def _three_digits(value: float) -> str:
    """Three digits at most, which fit into a cell."""
    text = f"{value:.{2 if abs(value) < 1 else 1}f}".replace("-", "−")
    return "0" if value == 0 else text.removeprefix("−") if text == "−0.00" else text
