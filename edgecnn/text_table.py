"""Table whose cells are text, never markup: a label is shown as it is written."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import RenderableType
from rich.style import StyleType
from rich.table import Column, Table
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

    def fit(self, width: int) -> bool:
        """Fit the columns into `width` without breaking a word.

        Columns stand two blanks apart, not three, where they do not fit as they are. Spare room
        goes to the columns of numbers first, then to the text on the right.

        Returns:
            Whether all words fit; the table is left as it is where they do not.
        """
        sizes = [_longest_word_and_line(column) for column in self.columns]
        gaps = len(sizes) - 1
        if sum(line for _, line in sizes) + 3 * gaps <= width:
            return True
        spare = width - 2 * gaps - sum(word for word, _ in sizes)
        if spare < 0:
            return False
        self.padding = (0, 1, 0, 0)
        rightmost = reversed(range(len(sizes)))
        order = sorted(rightmost, key=lambda at: self.columns[at].justify != "right")
        for at in order:
            word, line = sizes[at]
            self.columns[at].width = word + min(line - word, spare)
            spare -= min(line - word, spare)
        return True


def _longest_word_and_line(column: Column) -> tuple[int, int]:
    """Columns of a terminal that the longest word and the longest cell take."""
    texts = [str(each) for each in (column.header, *column.cells)]
    words = [word for text in texts for word in text.split()]
    lines = [line for text in texts for line in text.splitlines()]
    return max(map(cell_len, words), default=1), max(map(cell_len, lines), default=1)
