"""`edgecnn learn`: a bundle learns from labelled images; accuracy before and after, the result."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from edgecnn.results.result import Result

if TYPE_CHECKING:
    from edgecnn.data.iterables import Items
    from edgecnn.documents.learn import LearnDocument
    from edgecnn.learn.options import LearningOptions
    from edgecnn.learn.run import Learnt
    from edgecnn.report.blocks import Block


@dataclass(frozen=True)
class LearnResult(Result):
    """Result of ``edgecnn learn``.

    Attributes:
        learnt: the fields of the document: what was learnt, and accuracies before and after.
        broken: why images cannot be read; they are left out.
    """

    SCHEMA: ClassVar[str] = "edgecnn.learn/1"

    learnt: LearnDocument
    broken: tuple[str, ...] = ()

    def notes(self) -> tuple[str, ...]:
        """Remarks for the user: on the data, broken images, and a loss that was no number."""
        from edgecnn.evaluate.examples import broken_words

        learnt = self.learnt
        words = [broken_words(self.broken, learnt.images + learnt.held_out)] if self.broken else []
        if learnt.stop == "diverged":
            words.append(
                f"the loss is no number in epoch {learnt.epochs + 1}; the weights of epoch "
                f"{learnt.best_epoch} are kept; try a smaller --learning-rate than "
                f"{learnt.learning_rate:g}"
            )
        return (*learnt.notes, *words)

    @property
    def path(self) -> Path:
        """The new bundle."""
        return Path(self.learnt.output)

    def blocks(self) -> list[Block]:
        from edgecnn.report.learning import learnt_blocks

        return learnt_blocks(self.learnt)

    def document(self) -> LearnDocument:
        return self.learnt

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "engine": row.engine,
                "precision": row.precision,
                "before": None if row.before is None else row.before.share,
                "after": row.after.share,
                "after_low": row.after.interval[0],
                "after_high": row.after.interval[1],
                "right_to_wrong": None if row.paired is None else row.paired.right_to_wrong,
                "wrong_to_right": None if row.paired is None else row.paired.wrong_to_right,
                "p": None if row.paired is None else row.paired.p,
            }
            for row in self.learnt.rows
        ]


def learn_bundle(
    bundle: str, data: str | Items, options: LearningOptions, *, quiet: bool = True
) -> LearnResult:
    """Learn from labelled images with the training graph of a bundle, and write a new bundle.

    Args:
        data: name or folder of labelled images, or an iterable of images with labels.
        quiet: show no progress on stderr.

    Raises:
        BundleError, EngineError: the bundle cannot be trusted, or cannot learn here.
        NotTrainable: it has no training graph.
        NotAClassifier: it has no scores of classes.
        DataUnreadable, FetchError: there are no such images, or too few.
        OptionsRefused: options that do not go with them.
        OverwriteRefused, OutputNotWritable: the new bundle may not be written.
        ResumeRefused: there is nothing to resume, or it is another learning.
        LossDiverged: the loss is no number in the first epoch.
    """
    from edgecnn.learn.run import run
    from edgecnn.report.learning import watch_learning

    watch = partial(watch_learning, options.epochs, quiet=quiet)
    learnt = run(bundle, data, options, watch, quiet=quiet)
    return LearnResult(_document(bundle, learnt), learnt.broken)


def _document(bundle: str, learnt: Learnt) -> LearnDocument:
    from edgecnn.documents.learn import LearnDocument, learn_rows

    state = learnt.state
    return LearnDocument(
        bundle=bundle,
        output=str(learnt.output),
        data=learnt.data,
        labels=learnt.labels,
        images=learnt.images,
        held_out=learnt.held_out,
        broken=len(learnt.broken),
        notes=learnt.notes,
        batch=learnt.batch,
        learning_rate=learnt.learning_rate,
        epochs=state.epochs,
        best_epoch=state.best_epoch,
        stop=state.stop,
        steps=state.steps,
        seconds=state.seconds,
        left_out=learnt.left_out,
        history=state.history,
        rows=learn_rows(learnt.before, learnt.after),
    )
