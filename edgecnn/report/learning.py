"""Progress of ``edgecnn learn``, and the table of its result."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from edgecnn.bench.verdicts import images_words
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


# Where no epoch was better than none.
MENDS = "nothing was learnt: give more images, or another --learning-rate"


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
        self.progress.update(self.task, completed=epoch - 1 + done, epoch=epoch, loss=_loss(loss))

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
    lines = [
        ("data", f"{result.images:,} images of {result.data}, {result.held_out:,} held out"),
        (
            "learnt",
            f"{result.steps:,} steps of {images_words(result.batch)}, rate "
            f"{result.learning_rate:g}, loss {first} → {last}, {result.seconds:.1f} s",
        ),
        ("kept", _kept(result)),
    ]
    if result.labels is not None:
        lines.append(("classes", f"{len(result.labels)} new: {name_some(result.labels)}"))
    if result.left_out:
        lines.append(("left out", f"{', '.join(result.left_out)}: made from the weights before"))
    output = shlex.quote(result.output)
    lines.append(("bundle", result.output))
    lines.append(("next", f"edgecnn run {output} photo.jpg" if result.best_epoch else MENDS))
    return Labelled(tuple(lines), 10)


def _kept(result: LearnDocument) -> str:
    if result.best_epoch:
        is_last = result.stop == "epochs" and result.best_epoch == result.epochs
        more = ", the last: more --epochs may be better" if is_last else STOPS[result.stop]
        return f"weights of epoch {result.best_epoch} of {result.epochs}{more}"
    # Of the reasons for an early end, this one says already that no epoch was better.
    stop = "" if result.stop == "patience" else STOPS[result.stop]
    return f"none of {result.epochs} epochs was better: the weights are those before{stop}"


def _losses(result: LearnDocument) -> tuple[str, str]:
    losses = [row.loss for row in result.history if row.loss is not None]
    return (_loss(losses[0]), _loss(losses[-1])) if losses else ("–", "–")


def _loss(value: float | None) -> str:
    """A loss in at most eight characters: a wild learning rate makes huge ones."""
    if value is None:
        return "–"
    return f"{value:.3f}" if value < 1000 else f"{value:.2e}"


def _line(row: LearntEpoch, epochs: int, held_out: int) -> str:
    return (
        f"epoch {row.epoch}/{epochs}  loss {_loss(row.loss)}  held out: loss "
        f"{_loss(row.held_out_loss)}, accuracy {row.held_out_right / held_out:.1%}  "
        f"{row.seconds:.1f} s"
    )
