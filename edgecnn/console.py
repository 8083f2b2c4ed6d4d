"""Console output: results on stdout, notes on stderr, tables."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from edgecnn.streams import fits

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def print_json(schema: str, result: dict[str, Any]) -> None:
    """One JSON document on stdout, its versioned schema first; infinity and NaN become null."""
    document = {"schema": schema} | _finite(result)
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    # Bytes of a file's name that are no UTF-8, or a terminal of few characters.
    is_plain = not fits(text, sys.stdout)
    click.echo(json.dumps(document, indent=2, allow_nan=False) if is_plain else text)


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

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=width)


def stderr() -> Console:
    """Console for progress bars and notes, on stderr."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def note(message: str, *, quiet: bool) -> None:
    """Print a note on stderr, which is not part of the result."""
    if not quiet:
        click.echo(message, err=True)


def table(columns: Sequence[str], *, right: Sequence[str] = ()) -> Table:
    """An empty table in edgecnn's style; `right` names the columns of numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        made.add_column(
            column, justify="right" if column in right else "left", overflow="fold", no_wrap=False
        )
    return made
