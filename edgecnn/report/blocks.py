"""Blocks of a report, tables and paragraphs: printed on stdout, as plain text, or as HTML."""

from __future__ import annotations

import html
import io
from collections.abc import Iterable

from edgecnn.console import COLUMNS, echo, print_table, wrapped
from edgecnn.text_table import TextTable
from edgecnn_runtime.printable import printable

Block = TextTable | str
"""A table, or a paragraph: one line of text, which is wrapped at blanks; empty for a blank line."""


def print_blocks(blocks: Iterable[Block]) -> None:
    """Print blocks on stdout, in the width of the terminal."""
    for block in blocks:
        if isinstance(block, str):
            echo(wrapped(block))
        else:
            print_table(block)


def text_of(blocks: Iterable[Block], width: int = COLUMNS) -> str:
    """The blocks as plain text in lines of `width` characters."""
    from rich.console import Console

    text = io.StringIO()
    console = Console(file=text, width=width, highlight=False, markup=False, emoji=False)
    for block in blocks:
        if isinstance(block, str):
            text.write(f"{wrapped(printable(block))}\n")
        else:
            block.fit(width)
            console.print(block)
    return text.getvalue().removesuffix("\n")


def html_of(blocks: Iterable[Block]) -> str:
    """The blocks as HTML, for a notebook."""
    return "\n".join(
        f"<p>{html.escape(printable(block))}</p>" if isinstance(block, str) else _table(block)
        for block in blocks
        if block != ""
    )


def _table(table: TextTable) -> str:
    head = "".join(f"<th>{html.escape(str(column.header))}</th>" for column in table.columns)
    cells = [[html.escape(str(cell)) for cell in column.cells] for column in table.columns]
    body = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
        for row in zip(*cells, strict=True)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
