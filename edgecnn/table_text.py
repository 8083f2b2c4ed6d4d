"""Lines of a table as text: a row in columns, or one block a row on a very narrow terminal."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from edgecnn.table_layout import Layout, layout
from edgecnn.text_table import Cell, TextTable
from edgecnn.text_width import padded, shorten, width_of, wrap

RULE = "─"
RESET = "\x1b[0m"
# Codes of ANSI terminals (ECMA-48, select graphic rendition).
STYLES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33}


def table_lines(table: TextTable, width: int | None, *, has_colour: bool = False) -> list[str]:
    """The table in lines of at most `width` columns; with None a row is one line, however wide."""
    made = layout(table, width)
    if made is None:
        assert width is not None
        return list(_blocks(table, width, has_colour=has_colour))
    headers = [Cell(column.header, "bold") for column in table.columns]
    lines = [*_row(table, tuple(headers), made, has_colour=has_colour), RULE * made.width]
    for row in table.rows:
        lines += _row(table, row, made, has_colour=has_colour)
        if width is not None:
            lines += _below(table, row, made, width)
    names = [table.columns[at].header for at in made.left_out if any(table.texts(at))]
    if names and width is not None:
        lines += wrap(f"left out at this width: {', '.join(names)}", width, 2)
    return lines


def _row(
    table: TextTable, row: tuple[Cell, ...], made: Layout, *, has_colour: bool
) -> Iterator[str]:
    """Lines of one row: each cell broken at blanks, cells side by side."""
    columns = [
        [shorten(line, width) for line in wrap(row[at].text, width)]
        if width < width_of(row[at].text)
        else [row[at].text]
        for at, width in zip(made.in_row, made.widths, strict=True)
    ]
    for parts in zip_longest(*columns, fillvalue=""):
        cells = [
            _styled(padded(part, width, is_right=table.columns[at].is_right), row[at], has_colour)
            for part, at, width in zip(parts, made.in_row, made.widths, strict=True)
        ]
        yield (" " * made.gap).join(cells).rstrip()


def _below(table: TextTable, row: tuple[Cell, ...], made: Layout, width: int) -> list[str]:
    """The values of a row that have no room in it."""
    values = [f"{table.columns[at].header}: {row[at]}" for at in made.below if row[at].text]
    return [f"  {line}" for line in wrap("; ".join(values), width - 4, 2)] if values else []


def _blocks(table: TextTable, width: int, *, has_colour: bool) -> Iterator[str]:
    """One block a row: the first value, and a line ``name: value`` for each other one."""
    for number, row in enumerate(table.rows):
        if number:
            yield ""
        is_first = True
        for column, cell in zip(table.columns, row, strict=True):
            if not cell.text:
                continue
            indent, name = "" if is_first else "  ", f"{column.header}: " if column.header else ""
            first, *others = wrap(f"{name}{cell.text}", width - len(indent), 2)
            value = first.removeprefix(name)
            yield indent + first.removesuffix(value) + _styled(value, cell, has_colour)
            yield from (indent + line for line in others)
            is_first = False


def _styled(text: str, cell: Cell, has_colour: bool) -> str:
    if not has_colour or cell.colour not in STYLES or not text.strip():
        return text
    return f"\x1b[{STYLES[cell.colour]}m{text}{RESET}"
