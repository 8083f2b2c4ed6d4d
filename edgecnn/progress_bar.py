"""Progress bars on stderr, only on a terminal: stages, one bar, several bars.

In a notebook a line is written for each stage, as it begins.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from edgecnn.console import note, stderr
from edgecnn_runtime.printable import printable
from edgecnn_runtime.progress import Announce, Progress, no_lines, no_progress


class StageLines:
    """A line on stderr for each stage as it begins; what of it is being done is left out."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, line: str, /) -> None:
        stage = line.partition(":")[0]
        if stage != self._last:
            note(stage, quiet=False)
        self._last = stage


@contextlib.contextmanager
def stages(names: Sequence[str], *, quiet: bool) -> Iterator[Announce]:
    """A progress bar over named stages, on stderr and only on a terminal.

    Yields:
        A function to call with the name of each stage as it begins; ``NAME: WHAT`` says what of a
        stage is being done.
    """
    console = stderr()
    if quiet or not console.is_terminal:
        yield StageLines() if console.is_jupyter and not quiet else no_lines
        return
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    words = TextColumn("{task.description:<18}", markup=False)
    columns = (SpinnerColumn(), words, BarColumn(30))
    with Bars(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task(names[0], total=len(names))
        yield lambda name: progress.update(
            task, description=printable(name), completed=names.index(name.partition(":")[0])
        )


@contextlib.contextmanager
def bar(description: str, *, quiet: bool) -> Iterator[Progress]:
    """A progress bar on stderr, only on a terminal.

    Yields:
        A function to call with the share done, 0 to 1.
    """
    console = stderr()
    if quiet or not console.is_terminal:
        if console.is_jupyter and not quiet:
            note(description, quiet=False)
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
    from rich.markup import escape
    from rich.progress import Progress as Bars

    with Bars(console=console, transient=True) as progress:
        tasks = {name: progress.add_task(escape(printable(name)), total=1.0) for name in names}

        def teller(name: str) -> Progress:
            return lambda done: progress.update(tasks[name], completed=done)

        yield {name: teller(name) for name in names}, lambda line: console.print(printable(line))
