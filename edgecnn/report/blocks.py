"""Blocks of a report, tables and paragraphs: printed on stdout, as plain text, or as HTML."""

from __future__ import annotations

import html
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from edgecnn.console import COLUMNS, columns_of, echo, print_table, wrapped
from edgecnn.table_text import table_lines
from edgecnn.text_table import TextTable
from edgecnn.text_width import wrap
from edgecnn_runtime.printable import printable

# A value beside its label has so many columns at least.
NARROWEST_VALUE = 24


@dataclass(frozen=True)
class Labelled:
    """Lines of a label and a value, the values one below another."""

    lines: tuple[tuple[str, str], ...]
    width: int
    """Of the column of labels, in characters."""


Block = TextTable | Labelled | str
"""A table, labelled lines, or a paragraph: text wrapped at blanks, empty for a blank line."""


def print_blocks(blocks: Iterable[Block]) -> None:
    """Print blocks on stdout: in the width of the terminal; in a pipe each row is one line."""
    for block in blocks:
        if isinstance(block, TextTable):
            print_table(block)
        else:
            echo("\n".join(_prose(block, columns_of(sys.stdout))))


def text_of(blocks: Iterable[Block], width: int | None = COLUMNS) -> str:
    """The blocks as plain text in lines of `width` columns; with None each row is one line."""
    return "\n".join(
        line
        for block in blocks
        for line in (
            table_lines(block, width) if isinstance(block, TextTable) else _prose(block, width)
        )
    )


def _prose(block: Labelled | str, width: int | None) -> list[str]:
    if isinstance(block, str):
        return wrapped(printable(block), width).split("\n")
    return [line for label, value in block.lines for line in _labelled(label, value, block, width)]


def _labelled(label: str, value: str, block: Labelled, width: int | None) -> list[str]:
    """A label and its value; further lines of the value begin below the first."""
    indent = f"{printable(label):<{block.width}}"
    if width is None:
        return [f"{indent}{printable(value)}".rstrip()]
    room = max(width - len(indent), NARROWEST_VALUE)
    first, *others = wrap(printable(value), room)
    return [f"{indent}{first}".rstrip(), *(f"{' ' * block.width}{line}" for line in others)]


def html_of(blocks: Iterable[Block]) -> str:
    """The blocks as HTML, for a notebook."""
    return "\n".join(_html(block) for block in blocks if block != "")


def _html(block: Block) -> str:
    if isinstance(block, str):
        return f"<p>{html.escape(printable(block))}</p>"
    if isinstance(block, Labelled):
        pairs = ((html.escape(printable(a)), html.escape(printable(b))) for a, b in block.lines)
        rows = "".join(f"<tr><th>{label}</th><td>{value}</td></tr>" for label, value in pairs)
        return f"<table><tbody>{rows}</tbody></table>"
    head = "".join(f"<th>{html.escape(column.header)}</th>" for column in block.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell.text)}</td>" for cell in row) + "</tr>"
        for row in block.rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
