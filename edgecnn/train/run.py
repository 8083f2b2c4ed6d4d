"""A job from its folder to its result: checkpoints, metrics and the curve."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

from edgecnn.errors import ResumeRefused
from edgecnn.train.checkpoints import CURVE, STATE, WEIGHTS
from edgecnn.train.distributed import is_first
from edgecnn.train.loop import Job, Observer, train
from edgecnn_exporters.errors import OutputNotWritable


def run(job: Job, observer: Observer) -> Mapping[str, Any]:
    """Train, and draw the curve. What is in the folder already is never overwritten unasked.

    Returns:
        The result as JSON: where the weights are, and the test accuracy of the last epoch with its
        interval.

    Raises:
        ResumeRefused: the folder holds a training and the job is not resumed.
        OutputNotWritable: the folder cannot be made.
        LossDiverged, DataUnreadable: as `train` says.
    """
    if (job.folder / STATE).exists() and not job.is_resumed:
        raise ResumeRefused(
            f"{job.folder} holds a training already; --resume goes on with it, "
            "--output chooses another folder"
        )
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputNotWritable(f"cannot make {job.folder}: {error.strerror}") from error
    history = train(job, observer)
    last, images = history[-1], len(job.dataset.test)
    if is_first() and importlib.util.find_spec("matplotlib"):
        from edgecnn.report.training_plot import draw_curve

        title = f"{job.description['architecture']} on {job.dataset.name}"
        draw_curve(history, job.folder / CURVE, title)
    right = round(last.test_accuracy * images)
    return {
        "weights": str(job.folder / WEIGHTS),
        "architecture": job.description["architecture"],
        "form": job.description["form"],
        "data": job.dataset.name,
        "recipe": job.recipe.to_json(),
        "epochs": last.epoch,
        "test": {"images": images, "right": right, "accuracy": right / images},
        "seconds": sum(row.seconds for row in history),
    }
