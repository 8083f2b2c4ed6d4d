"""Blocks of a report, tables and paragraphs: printed on stdout, as plain text, or as HTML."""

from __future__ import annotations

import html
import io
from collections.abc import Iterable
from dataclasses import dataclass

from edgecnn.console import COLUMNS, echo, echo_line, plain, print_table, wrapped
from edgecnn.text_table import TextTable
from edgecnn_runtime.printable import printable


@dataclass(frozen=True)
class Labelled:
    """Lines of a label and a value, the values one below another."""

    lines: tuple[tuple[str, str], ...]
    width: int
    """Of the column of labels, in characters."""


Block = TextTable | Labelled | str
"""A table, labelled lines, or a paragraph: text wrapped at blanks, empty for a blank line."""


def print_blocks(blocks: Iterable[Block]) -> None:
    """Print blocks on stdout, in the width of the terminal."""
    for block in blocks:
        if isinstance(block, str):
            echo(wrapped(printable(block)))
        elif isinstance(block, Labelled):
            for line in _labelled(block):
                echo_line(line)
        else:
            print_table(block)


def _labelled(block: Labelled) -> list[str]:
    return [f"{label:<{block.width}}{value}" for label, value in block.lines]


def text_of(blocks: Iterable[Block], width: int = COLUMNS) -> str:
    """The blocks as plain text in lines of `width` characters."""
    text = io.StringIO()
    console = plain(text, width)
    for block in blocks:
        if isinstance(block, str):
            text.write(f"{wrapped(printable(block))}\n")
        elif isinstance(block, Labelled):
            text.writelines(f"{printable(line)}\n" for line in _labelled(block))
        else:
            block.fit(width)
            console.print(block)
    return text.getvalue().removesuffix("\n")


def html_of(blocks: Iterable[Block]) -> str:
    """The blocks as HTML, for a notebook."""
    return "\n".join(
        f"<p>{html.escape(printable(block))}</p>"
        if isinstance(block, str)
        else _list(block)
        if isinstance(block, Labelled)
        else _table(block)
        for block in blocks
        if block != ""
    )


def _list(block: Labelled) -> str:
    pairs = ((html.escape(printable(a)), html.escape(printable(b))) for a, b in block.lines)
    rows = "".join(f"<tr><th>{label}</th><td>{value}</td></tr>" for label, value in pairs)
    return f"<table><tbody>{rows}</tbody></table>"


def _table(table: TextTable) -> str:
    head = "".join(f"<th>{html.escape(str(column.header))}</th>" for column in table.columns)
    cells = [[html.escape(str(cell)) for cell in column.cells] for column in table.columns]
    body = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
        for row in zip(*cells, strict=True)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
