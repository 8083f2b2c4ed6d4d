"""Learning of the Python API: a bundle and labelled images in, a new bundle out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from edgecnn.api.arguments import (
    PathText,
    check_flags,
    items_or_text,
    option_value,
    optional_path,
)
from edgecnn.api.contents import BundleContents

if TYPE_CHECKING:
    from edgecnn.results.learn import LearnResult


@dataclass(frozen=True)
class LearningBundle(BundleContents):
    """A bundle that may learn; `edgecnn.Bundle` is one."""

    def learn(
        self,
        data: PathText | Iterable[Any],
        *,
        epochs: int = 10,
        batch: int | None = None,
        learning_rate: float | None = None,
        output: PathText | None = None,
        held_out: float | None = None,
        patience: int = 5,
        seed: int = 0,
        labels: Literal["bundle", "folders"] | None = None,
        classes: PathText | None = None,
        limit: int | None = None,
        strict: bool = False,
        resume: bool = False,
        force: bool = False,
        progress: bool = False,
    ) -> LearnResult:
        """Learn from labelled images, and write a new bundle: ``edgecnn learn``.

        Args:
            data: name or folder, or an iterable of (image, label) pairs or batches. Labels that are
                names are those of classes, numbers are classes of this bundle.

        Returns:
            Accuracies before and after; `path` is the new bundle.

        Raises:
            NotTrainable: it has no training graph; export it with ``learn="head"``.
            DataUnreadable: too few images or classes, or labels that the bundle cannot have.
            LossDiverged: the loss is no number in the first epoch.
        """
        from edgecnn.api.notes import log_notes
        from edgecnn.commands.learn import command
        from edgecnn.learn.options import LearningOptions
        from edgecnn.results.learn import learn_bundle

        check_flags(strict=strict, resume=resume, force=force, progress=progress)
        options = LearningOptions(
            option_value(command, "epochs", epochs),
            option_value(command, "batch", batch),
            option_value(command, "learning_rate", learning_rate),
            optional_path(output, "output"),
            option_value(command, "held_out", held_out),
            option_value(command, "patience", patience),
            option_value(command, "seed", seed),
            option_value(command, "labels", labels),
            optional_path(classes, "classes"),
            option_value(command, "limit", limit),
            strict,
            resume,
            force,
        )
        given = items_or_text(data, "data")
        result = learn_bundle(str(self.path), given, options, quiet=not progress)
        log_notes(result.notes())
        return result
