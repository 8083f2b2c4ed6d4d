"""Table of text, and the names of its columns that a narrow terminal drops or moves below a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgecnn_runtime.printable import printable

# Characters of one cell: an engine's message is shorter, and a row stays on a screen.
LONGEST = 1000


@dataclass(frozen=True)
class Cell:
    """A cell: one line of printable text, and its colour on a terminal that has colours."""

    text: str
    colour: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Column:
    """A column of a table.

    `drops` is the step at which the column makes room on a narrow terminal, from 1 on; 0 never. One
    that `is_below` is then moved to a line below its row, where it has a value. Texts of one that
    `wraps` break at blanks before anything is dropped.
    """

    header: str
    is_right: bool = False
    drops: int = 0
    is_below: bool = False
    wraps: bool = False


class TextTable:
    """A table in edgecnn's style: columns, and rows of cells that are text, never markup.

    A label of a bundle is shown as it is written, and moves no cursor.
    """

    def __init__(self, columns: Sequence[Column], gaps: Sequence[int] = (3, 2)) -> None:
        self.columns = tuple(columns)
        # Blanks between two columns, and where there are too few for that.
        self.gaps = tuple(gaps)
        self.rows: list[tuple[Cell, ...]] = []

    def add_row(self, *cells: Cell | str) -> None:
        """A row; of cells that are left out at its end the text is empty.

        Raises:
            ValueError: there are more cells than columns.
        """
        if len(cells) > len(self.columns):
            raise ValueError(f"{len(cells)} cells in a table of {len(self.columns)} columns")
        row = [each if isinstance(each, Cell) else Cell(each) for each in cells]
        row += [Cell("")] * (len(self.columns) - len(row))
        self.rows.append(tuple(Cell(printable(one.text, LONGEST), one.colour) for one in row))

    def texts(self, column: int) -> list[str]:
        """Texts of one column, without its header."""
        return [row[column].text for row in self.rows]
