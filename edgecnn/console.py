"""Console output: results on stdout, notes on stderr, tables.

Names in a bundle, a checkpoint or a path are whatever their maker liked: all that is printed goes
through `edgecnn_runtime.printable`, and none of it is markup.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

import click

from edgecnn.streams import fits
from edgecnn.text_width import wrap as wrap_text
from edgecnn_runtime.printable import printable, printable_lines

# Of a terminal that does not say how wide it is.
COLUMNS = 80
# Longest line of prose: on a wide terminal longer ones are hard to read.
PROSE = 100
# A no-break space, and the commands in a text whose blanks become such.
NO_BREAK = "\xa0"
INSTALL = re.compile(
    r"(?<!\S)\S*(?:python[\d.]*|pip|pipx|uv|sudo) [^;,()]*?\b(?:install|inject) [^;,()]*"
)

if TYPE_CHECKING:
    from rich.console import Console

    from edgecnn.text_table import Cell, TextTable


def echo(text: str = "", *, err: bool = False) -> None:
    """Print text; its line breaks are ours, and what else moves a cursor is shown, not done."""
    click.echo(printable_lines(text), err=err)


def echo_line(text: str, *, err: bool = False) -> None:
    """Print text that may hold line breaks of others as one line."""
    click.echo(printable(text), err=err)


def columns_of(stream: TextIO) -> int | None:
    """Width of the stream's terminal, or what ``COLUMNS`` says; None for a pipe or a file."""
    given = os.environ.get("COLUMNS", "")
    if given.isascii() and given.isdecimal() and int(given):
        return int(given)
    if not stream.isatty():
        return None
    with contextlib.suppress(OSError, ValueError):
        # A terminal without a size, as some editors open one, has 0 columns.
        return os.get_terminal_size(stream.fileno()).columns or COLUMNS
    return COLUMNS


def has_colour(stream: TextIO) -> bool:
    """Whether to colour what is written: ``NO_COLOR``, then ``FORCE_COLOR``, then the terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def wrapped(text: str, width: int | None) -> str:
    """The text in lines of the width, at most `PROSE`, broken at blanks; from the second indented.

    In a pipe, which has no width, it stays one line. A command that installs something is never
    broken, so that it can be copied.
    """
    if width is None:
        return text
    whole = INSTALL.sub(lambda command: command[0].replace(" ", NO_BREAK), text)
    return "\n".join(wrap_text(whole, min(width, PROSE), 2)).replace(NO_BREAK, " ")


def complain(message: object) -> None:
    """Print an error on stderr: in a pipe one line, whatever it quotes."""
    _remark(f"edgecnn: {' '.join(str(message).split())}")


def _remark(line: str) -> None:
    """Print one line on stderr, wrapped on a terminal alone: scripts search it for sentences."""
    width = columns_of(sys.stderr) if sys.stderr.isatty() else None
    click.echo(wrapped(printable(line), width), err=True)


def print_json(schema: str, result: dict[str, Any]) -> None:
    """One JSON document on stdout, its versioned schema first; infinity and NaN become null."""
    document = {"schema": schema} | json_value(result)
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    # Bytes of a file's name that are no UTF-8, or a terminal of few characters.
    text = text if fits(text, sys.stdout) else json.dumps(document, indent=2, allow_nan=False)
    click.echo("\n".join(map(_escape_json, text.split("\n"))))


def _escape_json(line: str) -> str:
    """The line with all that is not printable as ``\\uXXXX``, which only strings can hold."""
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in line)


def json_value(value: Any) -> Any:
    """The value as JSON has it: lists for tuples, None for infinity and NaN."""
    if isinstance(value, dict):
        return {key: json_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def stderr() -> Console:
    """Console for progress bars and notes, on stderr."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def note(message: str, *, quiet: bool) -> None:
    """Print a note on stderr, which is not part of the result."""
    if not quiet:
        for line in message.split("\n"):
            _remark(line)


def table(
    columns: Sequence[str],
    *,
    right: Sequence[str] = (),
    drop: Sequence[str | tuple[str, ...]] = (),
    below: Sequence[str] = (),
    wrap: Sequence[str] = (),
    is_dense: bool = False,
) -> TextTable:
    """An empty table in edgecnn's style.

    Args:
        right: columns of numbers.
        drop: columns that make room on a narrow terminal, in the order in which they go; those of
            a tuple go together.
        below: those of them that are moved to a line below their row.
        wrap: columns whose texts break at blanks before another column makes room.
        is_dense: the columns may be one blank apart.
    """
    from edgecnn.text_table import Column, TextTable

    order = {
        name: place
        for place, names in enumerate(drop, start=1)
        for name in ((names,) if isinstance(names, str) else names)
    }
    return TextTable(
        [
            Column(printable(name), name in right, order.get(name, 0), name in below, name in wrap)
            for name in columns
        ],
        (3, 2, 1) if is_dense else (3, 2),
    )


def print_table(shown: TextTable) -> None:
    """Print a table on stdout, in the width of the terminal."""
    from edgecnn.table_text import table_lines

    coloured = has_colour(sys.stdout)
    for line in table_lines(shown, columns_of(sys.stdout), has_colour=coloured):
        # click would take the colours out of a pipe, which FORCE_COLOR wants there.
        click.echo(line, color=coloured)


def coloured(text: str, colour: str) -> Cell:
    """Text of our own in a colour, as a cell of a table."""
    from edgecnn.text_table import Cell

    return Cell(text, colour)
