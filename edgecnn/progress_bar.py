"""Progress bars on stderr, only on a terminal: stages, one bar, several bars, a spinner.

In a notebook a line is written for each stage, as it begins.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.console import note, stderr
from edgecnn.interrupts import interrupts_held
from edgecnn_runtime.printable import printable
from edgecnn_runtime.progress import Announce, Progress, no_lines, no_progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

# A spinner appears after so long: what is quicker needs none.
WAIT_S = 0.5


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
def live(bars: Bars) -> Iterator[Bars]:
    """The bars on the terminal until the block ends.

    The thread that draws them takes no signals: a Ctrl-C that a system hands to it would not wake
    the main thread.
    """
    with interrupts_held():
        bars.start()
    try:
        yield bars
    finally:
        bars.stop()


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
    with live(Bars(*columns, TimeElapsedColumn(), console=console, transient=True)) as progress:
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

    with live(Bars(console=console, transient=True)) as progress:
        task = progress.add_task(description, total=1.0)
        yield lambda done: progress.update(task, completed=done)


@dataclass(frozen=True)
class BoardBars:
    """Bars of several jobs by name: the share done, what is being done, and lines above them."""

    progress: Mapping[str, Progress]
    doing: Mapping[str, Announce]
    say: Announce


@contextlib.contextmanager
def bars(names: Sequence[str], *, quiet: bool) -> Iterator[BoardBars]:
    """A progress bar for each name on stderr, only on a terminal.

    Lines of `BoardBars.say` are printed without bars as well, unless `quiet`.
    """
    console = stderr()
    if quiet or not console.is_terminal:
        silent = dict.fromkeys(names, no_lines)
        progress = dict.fromkeys(names, no_progress)
        yield BoardBars(progress, silent, lambda line: note(line, quiet=quiet))
        return
    from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bars
    from rich.progress import TimeElapsedColumn as Elapsed

    words = TextColumn("{task.description}", markup=False)
    columns = (SpinnerColumn(), words, BarColumn(20), TaskProgressColumn(), Elapsed())
    with live(Bars(*columns, console=console, transient=True)) as shown:
        tasks = {name: shown.add_task(printable(name), total=1.0) for name in names}

        def progress_of(name: str) -> Progress:
            return lambda done: shown.update(tasks[name], completed=done)

        def doing_of(name: str) -> Announce:
            return lambda what: shown.update(
                tasks[name], description=printable(f"{name}: {what}" if what else name)
            )

        yield BoardBars(
            {name: progress_of(name) for name in names},
            {name: doing_of(name) for name in names},
            lambda line: console.print(printable(line)),
        )


@contextlib.contextmanager
def waiting(what: str, *, quiet: bool) -> Iterator[None]:
    """A spinner with its text and the seconds since, on stderr and only on a terminal.

    It appears after `WAIT_S`. No other bar may begin inside the block.
    """
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.progress import Progress as Bars
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    words = TextColumn("{task.description}", markup=False)
    shown = Bars(SpinnerColumn(), words, TimeElapsedColumn(), console=stderr(), transient=True)
    shown.add_task(printable(what), total=None)
    timer = threading.Timer(WAIT_S, shown.start)
    timer.daemon = True
    with interrupts_held():  # as `live` says; the thread that draws inherits it
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        shown.stop()


def load_torch(*, quiet: bool) -> None:
    """Import PyTorch, which takes seconds, under a spinner; that it is missing is no error here."""
    if "torch" not in sys.modules:
        with waiting("loading PyTorch", quiet=quiet), contextlib.suppress(ImportError):
            import torch  # noqa: F401
