"""Plot of a training: loss and error against the epoch."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.report.plots.network import COLOURS
from edgecnn.report.plots.text import literal
from edgecnn_runtime.atomic import replace_file

if TYPE_CHECKING:
    from edgecnn.train.history import Epoch


def draw_curve(history: Sequence[Epoch], path: Path, title: str) -> None:
    """Loss and error against the epoch, of training and of test images, as a PNG.

    Raises:
        OutputNotWritable: the file cannot be written.
        ModuleNotFoundError: matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    epochs = [row.epoch for row in history]
    loss, error = figure.subplots(1, 2)
    loss.plot(epochs, [row.loss for row in history], ".-", color=COLOURS[0], label="training")
    loss.plot(epochs, [row.test_loss for row in history], ".-", color=COLOURS[4], label="test")
    loss.set_ylabel("loss (cross-entropy, nats)")
    wrong = [100 * (1 - row.accuracy) for row in history]
    test = [100 * (1 - row.test_accuracy) for row in history]
    error.plot(epochs, wrong, ".-", color=COLOURS[0], label="training, as augmented")
    error.plot(epochs, test, ".-", color=COLOURS[4], label=f"test, at last {test[-1]:.2f} %")
    error.set_ylabel("error (% of images)")
    for axes in (loss, error):
        axes.set_xlabel("epoch")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(literal(title))
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    with replace_file(path) as stream:
        stream.write(content.getvalue())
