"""Progress of ``edgecnn learn``, and the table of its result."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from edgecnn.console import echo_line, stderr, table
from edgecnn.data.class_folders import name_some
from edgecnn.documents.learn import LearnDocument, LearnRow
from edgecnn.learn.loop import Observer
from edgecnn.progress_bar import live
from edgecnn.report.blocks import Block, Labelled
from edgecnn.report.evaluate_tables import share_words

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from edgecnn.learn.state import LearntEpoch
    from edgecnn.text_table import TextTable

STOPS = {
    "epochs": "",
    "patience": ", ended early: no better epoch came",
    "diverged": ", ended early: the loss was no number",
}


@contextlib.contextmanager
def watch_learning(epochs: int, held_out: int, *, quiet: bool) -> Iterator[Observer]:
    """Observer that shows a learning on stderr: a bar on a terminal, and one line an epoch.

    Args:
        epochs: that are planned.
        held_out: number of images that judge.
    """
    console = stderr()
    if quiet or not console.is_terminal:
        yield _Lines(epochs, held_out, quiet=quiet)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
        BarColumn(24),
        TextColumn("loss {task.fields[loss]}  held out {task.fields[accuracy]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with live(Progress(*columns, console=console, transient=True)) as progress:
        task = progress.add_task("", total=epochs, epoch=1, epochs=epochs, loss="–", accuracy="–")
        yield _Bar(progress, task, epochs, held_out)


class _Lines:
    """One line an epoch."""

    def __init__(self, epochs: int, held_out: int, *, quiet: bool) -> None:
        self.epochs, self.held_out, self.quiet = epochs, held_out, quiet

    def step(self, epoch: int, done: float, loss: float) -> None:
        """Nothing is shown in the middle of an epoch."""

    def epoch(self, row: LearntEpoch) -> None:
        if not self.quiet:
            echo_line(_line(row, self.epochs, self.held_out), err=True)


class _Bar:
    def __init__(self, progress: Progress, task: TaskID, epochs: int, held_out: int) -> None:
        self.progress, self.task, self.epochs, self.held_out = progress, task, epochs, held_out

    def step(self, epoch: int, done: float, loss: float) -> None:
        self.progress.update(self.task, completed=epoch - 1 + done, epoch=epoch, loss=f"{loss:.3f}")

    def epoch(self, row: LearntEpoch) -> None:
        accuracy = f"{row.held_out_right / self.held_out:.1%}"
        self.progress.update(self.task, accuracy=accuracy)
        self.progress.console.print(_line(row, self.epochs, self.held_out))


def learnt_blocks(result: LearnDocument) -> list[Block]:
    """Accuracies before and after, what was learnt, and where the new bundle is."""
    return [_accuracies(result.rows), "", _judging(result), "", _facts(result)]


def _accuracies(rows: Sequence[LearnRow]) -> TextTable:
    """Before and after, paired; of new classes there is no before."""
    if not any(row.before for row in rows):
        shown = table(("", "accuracy"), right=("accuracy",))
        for row in rows:
            shown.add_row(row.precision, share_words(row.after))
        return shown
    numbers = ("before", "after", "lost", "won", "p")
    shown = table(("", *numbers), right=numbers)
    for row in rows:
        shown.add_row(*_cells(row))
    return shown


def _cells(row: LearnRow) -> tuple[str, ...]:
    if row.before is None or row.paired is None:
        return row.precision, "–", share_words(row.after), "–", "–", "–"
    changed = (row.paired.right_to_wrong, row.paired.wrong_to_right)
    shares = (share_words(row.before), share_words(row.after))
    return row.precision, *shares, *(f"{count:,}" for count in changed), f"{row.paired.p:.2g}"


def _judging(result: LearnDocument) -> str:
    paired = "; lost, won: right before and wrong after, and the other way; p of McNemar's test"
    return (
        f"n = {result.held_out:,} held-out images, which chose the epoch too; in brackets 95 % "
        f"intervals (Wilson){paired if any(row.paired for row in result.rows) else ''}"
    )


def _facts(result: LearnDocument) -> Labelled:
    first, last = _losses(result)
    kept = f"weights of epoch {result.best_epoch} of {result.epochs}"
    if not result.best_epoch:
        kept = f"none of {result.epochs} epochs was better: the weights are those before"
    lines = [
        ("data", f"{result.images:,} images of {result.data}, {result.held_out:,} held out"),
        (
            "learnt",
            f"{result.steps:,} steps of {result.batch} at {result.learning_rate:g}, loss {first} → "
            f"{last}, {result.seconds:.1f} s",
        ),
        ("kept", f"{kept}{STOPS[result.stop]}"),
    ]
    if result.labels is not None:
        lines.append(("classes", f"{len(result.labels)} new: {name_some(result.labels)}"))
    if result.left_out:
        lines.append(("left out", f"{', '.join(result.left_out)}: made from the weights before"))
    output = shlex.quote(result.output)
    lines.append(("bundle", result.output))
    lines.append(("next", f"edgecnn run {output} photo.jpg"))
    return Labelled(tuple(lines), 10)


def _losses(result: LearnDocument) -> tuple[str, str]:
    losses = [row.loss for row in result.history if row.loss is not None]
    return (f"{losses[0]:.3f}", f"{losses[-1]:.3f}") if losses else ("–", "–")


def _line(row: LearntEpoch, epochs: int, held_out: int) -> str:
    loss = "–" if row.loss is None else f"{row.loss:.3f}"
    return (
        f"epoch {row.epoch}/{epochs}  loss {loss}  held-out loss {row.held_out_loss:.3f}  "
        f"held-out accuracy {row.held_out_right / held_out:.1%}  {row.seconds:.1f} s"
    )
