"""Table whose cells are text, never markup: a label is shown as it is written."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.style import StyleType
from rich.table import Table
from rich.text import Text

from edgecnn_runtime.printable import printable

# Characters of one cell: an engine's message is shorter, and a row stays on a screen.
LONGEST = 1000


class TextTable(Table):
    """A table in edgecnn's style. A cell that is a string is one line of printable text."""

    def __init__(self) -> None:
        super().__init__(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)

    def add_row(
        self,
        *cells: RenderableType | None,
        style: StyleType | None = None,
        end_section: bool = False,
    ) -> None:
        """A row; `Text` cells, which carry colours or line breaks of our own, stay as they are."""
        shown = (
            Text(printable(each, LONGEST)) if isinstance(each, str) else each for each in cells
        )
        super().add_row(*shown, style=style, end_section=end_section)
