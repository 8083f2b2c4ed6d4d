"""Console output: results on stdout, notes on stderr, tables.

Names in a bundle, a checkpoint or a path are whatever their maker liked: all that is printed goes
through `edgecnn_runtime.printable`, and none of it is markup.
"""

from __future__ import annotations

import json
import math
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

import click

from edgecnn.streams import fits
from edgecnn_runtime.printable import printable, printable_lines

# Of a line of text.
COLUMNS = 80

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from edgecnn.text_table import TextTable


def echo(text: str = "", *, err: bool = False) -> None:
    """Print text; its line breaks are ours, and what else moves a cursor is shown, not done."""
    click.echo(printable_lines(text), err=err)


def echo_line(text: str, *, err: bool = False) -> None:
    """Print text that may hold line breaks of others as one line."""
    click.echo(printable(text), err=err)


def wrapped(text: str) -> str:
    """The text in lines of 80 characters, broken at blanks only; all but the first are indented."""
    return textwrap.fill(
        text, COLUMNS, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False
    )


def complain(message: object) -> None:
    """Print an error on stderr: one line, whatever it quotes."""
    echo_line(f"edgecnn: {' '.join(str(message).split())}", err=True)


def print_json(schema: str, result: dict[str, Any]) -> None:
    """One JSON document on stdout, its versioned schema first; infinity and NaN become null."""
    document = {"schema": schema} | _finite(result)
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    # Bytes of a file's name that are no UTF-8, or a terminal of few characters.
    text = text if fits(text, sys.stdout) else json.dumps(document, indent=2, allow_nan=False)
    click.echo("\n".join(map(_escape_json, text.split("\n"))))


def _escape_json(line: str) -> str:
    """The line with all that is not printable as ``\\uXXXX``, which only strings can hold."""
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in line)


def _finite(value: Any) -> Any:
    """The value without the numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def stdout(width: int = 110) -> Console:
    """Console for tables on stdout; in a pipe its lines are `width` characters long."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = width
    return console


def plain(stream: TextIO, width: int) -> Console:
    """Console for tables as text in a stream, in lines of `width` characters."""
    from rich.console import Console

    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def stderr() -> Console:
    """Console for progress bars and notes, on stderr."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def note(message: str, *, quiet: bool) -> None:
    """Print a note on stderr, which is not part of the result."""
    if not quiet:
        echo(message, err=True)


def table(columns: Sequence[str], *, right: Sequence[str] = ()) -> TextTable:
    """An empty table in edgecnn's style; `right` names the columns of numbers."""
    from rich.text import Text

    from edgecnn.text_table import TextTable

    made = TextTable()
    for column in columns:
        made.add_column(
            Text(printable(column)),
            justify="right" if column in right else "left",
            overflow="fold",
            no_wrap=False,
        )
    return made


def print_table(shown: TextTable, width: int = 110) -> None:
    """Print a table; on a narrow terminal its lines break at blanks as long as all words fit."""
    console = stdout(width)
    shown.fit(console.width)
    console.print(shown)


def coloured(text: str, colour: str) -> Text:
    """Text of our own in a colour, as a cell of a table."""
    from rich.text import Text

    return Text(text, style=colour)
