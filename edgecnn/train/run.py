"""Run of a training job in its folder: checkpoints, metrics and the plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from edgecnn.errors import ResumeRefused
from edgecnn.train.checkpoints import CURVE, STATE, WEIGHTS
from edgecnn.train.history import Epoch
from edgecnn.train.loop import Observer, TrainingJob, train
from edgecnn.train.options import is_first
from edgecnn_runtime.errors import OutputNotWritable

# Draws a history to a file, under a title.
DrawCurve: TypeAlias = Callable[[Sequence[Epoch], Path, str], None]


def run(
    job: TrainingJob, observer: Observer, draw_curve: DrawCurve | None = None
) -> Mapping[str, Any]:
    """Run a training job. A training that is already in the folder is never overwritten unasked.

    Args:
        draw_curve: draws the curve of the training into the folder; None draws none.

    Returns:
        The result as JSON: where the weights are, and the test accuracy of the last epoch with its
        interval.

    Raises:
        ResumeRefused: the folder holds a training and the job is not resumed.
        OutputNotWritable: the folder cannot be made, or the curve not written.
        LossDiverged, DataUnreadable: as `train` says.
    """
    if (job.folder / STATE).exists() and not job.is_resumed:
        raise ResumeRefused(
            f"{job.folder} holds a training already; --resume continues it, "
            "--output chooses another folder"
        )
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputNotWritable(f"cannot make {job.folder}: {error.strerror}") from error
    history = train(job, observer)
    last, images = history[-1], len(job.dataset.test)
    if draw_curve is not None and is_first():
        title = f"{job.description['architecture']} on {job.dataset.name}"
        draw_curve(history, job.folder / CURVE, title)
    right = round(last.test_accuracy * images)
    return {
        "weights": str(job.folder / WEIGHTS),
        "architecture": job.description["architecture"],
        "form": job.description["form"],
        "data": job.dataset.name,
        "is_quantised": "quantised" in job.description,
        "recipe": job.recipe.to_json(),
        "epochs": last.epoch,
        "test": {"images": images, "right": right, "accuracy": right / images},
        "seconds": sum(row.seconds for row in history),
    }
