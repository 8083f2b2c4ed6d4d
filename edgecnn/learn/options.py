"""Options of a learning, as the command line gives them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.learn.classes import LabelSource


@dataclass(frozen=True)
class LearningOptions:
    """Options of ``edgecnn learn``.

    Attributes:
        epochs: passes over the images, at most.
        batch: images a step; None for 16, or as many as there are.
        learning_rate: None takes the bundle's own.
        output: path of the new bundle; None for NAME.learnt.edge beside the given one.
        held_out: share of each class that judges; None for 0.2.
        patience: epochs without a better one after which it ends.
        seed: of the held-out images and of the order of the others.
        labels: takes the classes of the bundle, or of the folders, whatever the folders' names.
        classes: file with the class of each folder of images.
        limit: at most this many images, drawn uniformly.
        is_strict: a broken image is an error; else it is left out.
        is_resumed: go on where the same learning was interrupted.
        force: replace whatever bundle is at `output`.
    """

    epochs: int = 10
    batch: int | None = None
    learning_rate: float | None = None
    output: Path | None = None
    held_out: float | None = None
    patience: int = 5
    seed: int = 0
    labels: LabelSource | None = None
    classes: Path | None = None
    limit: int | None = None
    is_strict: bool = False
    is_resumed: bool = False
    force: bool = False
