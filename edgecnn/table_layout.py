"""Layout of a table in the columns of a terminal: which columns stay in a row, and their widths.

Tried in this order, the first that fits is taken: all in one line; headers and long texts broken
at blanks; the same without the columns that `Column.drops` names, one after another; short texts
and figures broken at blanks; long words shortened in the middle. A word is never broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgecnn.text_table import TextTable
from edgecnn.text_width import widest, width_of, words_of, wrap

# Texts of at most this width stay in one line as long as anything else helps.
SHORT = 24
# Lines of one cell, as long as dropping a column helps.
MOST_LINES = 3
# A long word keeps so much at least.
SHORTEST_WORD = 16
# Below this, a table that does not fit is printed as one block a row.
NARROWEST = 60


@dataclass(frozen=True)
class Layout:
    """Columns of a table in their order: in the row with their widths, below it, left out."""

    in_row: tuple[int, ...]
    widths: tuple[int, ...]
    gap: int
    below: tuple[int, ...] = ()
    left_out: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """Of a whole row, in columns of the terminal."""
        return sum(self.widths) + self.gap * max(0, len(self.widths) - 1)


def layout(table: TextTable, width: int | None) -> Layout | None:
    """Layout of the table in `width` columns; None for any width. None where nothing fits."""
    everything = tuple(range(len(table.columns)))
    wide = Layout(everything, tuple(_natural(table, at) for at in everything), table.gaps[0])
    if width is None or wide.width <= width:
        return wide
    for hidden in _hidden(table):
        if made := _narrowed(table, hidden, width, _comfortable):
            return made
    for least in (_longest_word, _shortened_word) if width >= NARROWEST else (_longest_word,):
        for hidden in _hidden(table):
            if made := _narrowed(table, hidden, width, least):
                return made
    return None


def _hidden(table: TextTable) -> Iterator[tuple[int, ...]]:
    """Columns that are not in the row: none, then those of one more step each time."""
    for step in sorted({column.drops for column in table.columns} | {0}):
        yield tuple(at for at, column in enumerate(table.columns) if 0 < column.drops <= step)


def _narrowed(
    table: TextTable,
    hidden: tuple[int, ...],
    width: int,
    least: Callable[[TextTable, int], int],
) -> Layout | None:
    """Layout without the hidden columns, each at least as wide as `least` says."""
    in_row = [at for at in range(len(table.columns)) if at not in hidden]
    natural = [_natural(table, at) for at in in_row]
    between = len(in_row) - 1
    fitting = (one for one in table.gaps if sum(natural) + one * between <= width)
    gap = next(fitting, table.gaps[-1])
    widths = [least(table, at) for at in in_row]
    spare = width - gap * between - sum(widths)
    if spare < 0:
        return None
    # Columns that lack little become whole first; the longest text takes what is left.
    for at in sorted(range(len(in_row)), key=lambda at: natural[at] - widths[at]):
        more = min(natural[at] - widths[at], spare)
        widths[at] += more
        spare -= more
    below = [at for at in sorted(hidden) if table.columns[at].is_below]
    left_out = [at for at in sorted(hidden) if not table.columns[at].is_below]
    return Layout(tuple(in_row), tuple(widths), gap, tuple(below), tuple(left_out))


def _natural(table: TextTable, at: int) -> int:
    """Width of a column whose cells and header are one line each."""
    return widest([table.columns[at].header, *table.texts(at)])


def _longest_word(table: TextTable, at: int) -> int:
    """Width of a column whose lines break at blanks."""
    texts = [table.columns[at].header, *table.texts(at)]
    return widest([word for text in texts for word in words_of(text)])


def _shortened_word(table: TextTable, at: int) -> int:
    """Width of a column whose long words are shortened, but never its header."""
    header = widest(words_of(table.columns[at].header))
    return max(header, min(_longest_word(table, at), SHORTEST_WORD))


def _comfortable(table: TextTable, at: int) -> int:
    """Width of a column that breaks headers, and long texts into a few lines."""
    column, texts = table.columns[at], table.texts(at)
    is_whole = column.is_right or column.is_below
    whole = [text for text in texts if is_whole or width_of(text) <= SHORT]
    least = max(_longest_word(table, at), 0 if column.wraps else widest(whole))
    while any(len(wrap(text, least)) > MOST_LINES for text in texts):
        least += 1
    return least
