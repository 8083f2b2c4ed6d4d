"""`edgecnn run`: classes of images by a bundle in a process of its own, and the result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from edgecnn.exit_codes import FAILED, OK
from edgecnn.results.result import Result
from edgecnn_runtime.budget import Budget
from edgecnn_runtime.tasks import Classification

if TYPE_CHECKING:
    from edgecnn.report.blocks import Block


@dataclass(frozen=True)
class RunOptions:
    """Options of ``edgecnn run``.

    Attributes:
        top: classes of each image.
        engine, precision: None for the fastest, as `edgecnn_runtime.open` chooses.
        threads: of the engine; None for its own choice.
        budget: memory and time that the bundle may cost.
    """

    top: int = 3
    engine: str | None = None
    precision: str | None = None
    threads: int | None = None
    budget: Budget = field(default_factory=Budget)

    def words(self) -> list[str]:
        """As options of the agent's command ``run``."""
        chosen = {
            "--engine": self.engine,
            "--precision": self.precision,
            "--threads": self.threads,
            "--top": self.top,
        }
        words = [f"{name}={value}" for name, value in chosen.items() if value is not None]
        return [*words, *self.budget.options()]


@dataclass(frozen=True)
class ClassifiedImage:
    """An image and its likeliest classes.

    Attributes:
        image: path as it was given.
        classes: the likeliest first.
    """

    image: str
    classes: tuple[Classification, ...]


@dataclass(frozen=True)
class RunResult(Result):
    """Result of ``edgecnn run``: classes of images.

    Attributes:
        bundle: path as it was given.
        engine: that ran.
        precision: of the artefact that ran.
        images: those that could be read, in the order of the command line.
        failures: a line for each image that could not be classified.
        artefact: that ran, its path in the bundle.
        reason: why this artefact and engine were taken.
    """

    SCHEMA: ClassVar[str] = "edgecnn.run/1"

    bundle: str
    engine: str
    precision: str
    images: tuple[ClassifiedImage, ...]
    failures: tuple[str, ...] = ()
    artefact: str = ""
    reason: str = ""

    @property
    def exit_code(self) -> int:
        """0: all images were classified. 1: one was not."""
        return FAILED if self.failures else OK

    def blocks(self) -> list[Block]:
        from edgecnn.report.run_table import class_blocks

        return class_blocks({one.image: one.classes for one in self.images}) if self.images else []

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"image": one.image, "rank": rank, "label": each.label, "score": each.score}
            for one in self.images
            for rank, each in enumerate(one.classes, 1)
        ]


def classify_images(bundle: str, images: Sequence[str], options: RunOptions) -> RunResult:
    """The likeliest classes of each image, in a process of its own that the budget holds.

    Raises:
        EdgeCNNError: the bundle cannot be trusted, nothing in it can run here, or it cost more than
            its budget.
    """
    from edgecnn_runtime.host.process import agent_lines

    used = dict.fromkeys(("engine", "precision", "artefact", "reason"), "")
    classified: dict[str, ClassifiedImage] = {}
    failures = []
    for line in agent_lines(["run", *options.words(), "--", bundle, *images]):
        if not line.startswith('{"event"'):
            continue  # an engine may print other lines on stdout
        event = json.loads(line)
        if event["event"] == "opened":
            used = {name: event[name] for name in used}
        elif event["event"] == "classified":
            classes = tuple(Classification(**one) for one in event["classes"])
            classified[event["image"]] = ClassifiedImage(event["image"], classes)
        else:
            failures.append(event["reason"])
    return RunResult(bundle, **used, images=tuple(classified.values()), failures=tuple(failures))
