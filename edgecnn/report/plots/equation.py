"""One row of a figure: an equation whose terms are panels."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.report.plots.heat_map import HeatMap

# Cross-correlation.
STAR = r"$\star$"


@dataclass(frozen=True)
class Equation:
    """An equation, term by term.

    Attributes:
        heading: in words and in matplotlib's mathematics.
        panels: its terms; text where one is a number.
        operators: between the panels, one fewer.
    """

    heading: str
    panels: tuple[HeatMap | str, ...]
    operators: tuple[str, ...]
