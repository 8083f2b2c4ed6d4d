"""Console output: results on stdout, progress bars and notes on stderr."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from edgecnn_runtime.progress import Announce, Progress, no_progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def print_json(schema: str, result: dict[str, Any]) -> None:
    """One JSON document on stdout, its versioned schema first; infinity and NaN become null."""
    document = {"schema": schema} | _finite(result)
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


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


@contextlib.contextmanager
def stages(names: Sequence[str], *, quiet: bool) -> Iterator[Announce]:
    """A progress bar over named stages, on stderr and only on a terminal.

    Yields:
        A function to call with the name of each stage as it begins; ``NAME: WHAT`` says what of a
        stage is being done.
    """
    console = stderr()
    if quiet or not console.is_terminal:
        yield lambda name: None
        return
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (SpinnerColumn(), TextColumn("{task.description:<18}"), BarColumn(30))
    with Bars(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task(names[0], total=len(names))
        yield lambda name: progress.update(
            task, description=name, completed=names.index(name.partition(":")[0])
        )


@contextlib.contextmanager
def bar(description: str, *, quiet: bool) -> Iterator[Progress]:
    """A progress bar on stderr, only on a terminal.

    Yields:
        A function to call with the share done, 0 to 1.
    """
    console = stderr()
    if quiet or not console.is_terminal:
        yield no_progress
        return
    from rich.progress import Progress as Bars

    with Bars(console=console, transient=True) as progress:
        task = progress.add_task(description, total=1.0)
        yield lambda done: progress.update(task, completed=done)


@contextlib.contextmanager
def bars(names: Sequence[str], *, quiet: bool) -> Iterator[tuple[dict[str, Progress], Announce]]:
    """A progress bar for each name on stderr, only on a terminal.

    Yields:
        For each name, a function to call with the share done, 0 to 1; and one that says a line
        above the bars, or without bars, unless `quiet`.
    """
    console = stderr()
    if quiet or not console.is_terminal:
        yield dict.fromkeys(names, no_progress), lambda line: note(line, quiet=quiet)
        return
    from rich.progress import Progress as Bars

    with Bars(console=console, transient=True) as progress:
        tasks = {name: progress.add_task(name, total=1.0) for name in names}

        def teller(name: str) -> Progress:
            return lambda done: progress.update(tasks[name], completed=done)

        yield {name: teller(name) for name in names}, lambda line: console.print(line, markup=False)
