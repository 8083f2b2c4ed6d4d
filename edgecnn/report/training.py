"""Progress of a training: a bar with loss and accuracy while it runs, and its result."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgecnn.console import echo_line, stderr
from edgecnn.report.blocks import Labelled
from edgecnn_runtime.parity.proportion import wilson_interval

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from edgecnn.documents.train import TrainedFields
    from edgecnn.train.history import Epoch
    from edgecnn.train.loop import Observer, TrainingJob


def announcement(job: TrainingJob) -> str:
    """Network, data and recipe of a training in one line."""
    recipe, data = job.recipe, job.dataset
    parameters = sum(p.numel() for p in job.network.parameters())
    return (
        f"{job.description['architecture']}: {parameters:,} parameters, {len(data.train):,} images "
        f"of {len(data.labels)} classes; {recipe.optimiser} at {recipe.learning_rate:g}, "
        f"batch {recipe.batch_size}, epochs: {recipe.epochs} → {job.folder}"
    )


@contextlib.contextmanager
def watch(epochs: int, *, quiet: bool) -> Iterator[Observer]:
    """Observer that shows a training on stderr: a bar on a terminal, and one line an epoch."""
    console = stderr()
    if quiet or not console.is_terminal:
        yield _Lines(epochs, quiet=quiet)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
        BarColumn(24),
        TextColumn("loss {task.fields[loss]:.3f}  accuracy {task.fields[accuracy]:.1%}"),
        TextColumn("{task.fields[speed]:,.0f} images/s"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(
            "", total=epochs, epoch=1, epochs=epochs, loss=0.0, accuracy=0.0, speed=0.0
        )
        yield _Bar(progress, task, epochs)


class _Lines:
    """One line an epoch."""

    def __init__(self, epochs: int, *, quiet: bool) -> None:
        self.epochs, self.quiet = epochs, quiet

    def step(self, epoch: int, done: float, loss: float, accuracy: float, rate: float) -> None:
        """Nothing is shown in the middle of an epoch."""

    def epoch(self, row: Epoch) -> None:
        if not self.quiet:
            echo_line(_line(row, self.epochs), err=True)


class _Bar:
    def __init__(self, progress: Progress, task: TaskID, epochs: int) -> None:
        self.progress, self.task, self.epochs = progress, task, epochs

    def step(self, epoch: int, done: float, loss: float, accuracy: float, rate: float) -> None:
        self.progress.update(
            self.task,
            completed=epoch - 1 + done,
            epoch=epoch,
            loss=loss,
            accuracy=accuracy,
            speed=rate,
        )

    def epoch(self, row: Epoch) -> None:
        self.progress.console.print(_line(row, self.epochs))


def trained_block(result: TrainedFields) -> Labelled:
    """Network, accuracy and weights of a training."""
    test, form = result.test, result.form
    low, high = wilson_interval(test.right, test.images)
    words = ", ".join(f"{name} {value}" for name, value in form.items())
    accuracy = (
        f"{test.accuracy:.2%} of {test.images:,} test images "
        f"(95 % interval {low:.2%} to {high:.2%}), after epoch {result.epochs}, "
        f"{_duration(result.seconds)}"
    )
    lines = (
        ("network", f"{result.architecture} ({words}) on {result.data}"),
        ("accuracy", accuracy),
        ("weights", f"{result.weights}; next: {_export(result)}"),
    )
    return Labelled(lines, 10)


def _export(result: TrainedFields) -> str:
    """The command that exports the weights."""
    weights, network = result.weights, result.architecture
    own = f"{network} --input … --weights {weights}" if ":" in network else weights
    return f"edgecnn export {own}" + (" --quantize int8" if result.is_quantised else "")


def _line(row: Epoch, epochs: int) -> str:
    return (
        f"epoch {row.epoch}/{epochs}  loss {row.loss:.3f}  accuracy {row.accuracy:.1%}  "
        f"test loss {row.test_loss:.3f}  test accuracy {row.test_accuracy:.2%}  "
        f"{row.images_per_s:,.0f} images/s  {_duration(row.seconds)}"
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
