"""The epochs of a training: as rows and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from edgecnn_runtime.atomic import replace_file


@dataclass(frozen=True)
class Epoch:
    """One epoch.

    Attributes:
        epoch: counted from 1.
        loss, accuracy: over the training images as they were augmented, while they were learnt.
        test_loss, test_accuracy: over all test images, with the weights that are kept.
        learning_rate: at the end of the epoch.
        images_per_s: training images a second, testing left out.
        seconds: of the whole epoch.
    """

    epoch: int
    loss: float
    accuracy: float
    test_loss: float
    test_accuracy: float
    learning_rate: float
    images_per_s: float
    seconds: float


def write_csv(history: Sequence[Epoch], path: Path) -> None:
    """One line an epoch, replacing what was there."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Epoch)], lineterminator="\n")
    writer.writeheader()
    for row in history:
        writer.writerow({name: _short(value) for name, value in asdict(row).items()})
    with replace_file(path) as stream:
        stream.write(text.getvalue().encode())


def _short(value: float) -> float | str:
    return value if isinstance(value, int) else f"{value:.6g}"
