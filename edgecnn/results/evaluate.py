"""`edgecnn evaluate`: accuracy of a bundle's artefacts on labelled images, and its result."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from edgecnn.results.result import Result
from edgecnn_runtime.budget import Budget

if TYPE_CHECKING:
    from edgecnn.data.iterables import Items
    from edgecnn.documents.evaluate import EvaluateDocument, EvaluateRow
    from edgecnn.evaluate.class_names import ClassNames
    from edgecnn.evaluate.examples import Examples
    from edgecnn.report.blocks import Block


@dataclass(frozen=True)
class EvaluateOptions:
    """Options of ``edgecnn evaluate``.

    Attributes:
        against: the baseline, a bundle; None for the fp32 artefact of the bundle itself.
        classes: file with the class of each folder of images.
        limit: at most this many images, drawn uniformly.
        processes: how many at once; None for one a core.
        is_strict: a broken image is an error; else it is left out.
        engine, precision: only these.
        budget: memory and time that the bundles may cost.
    """

    against: str | None = None
    classes: Path | None = None
    limit: int | None = None
    processes: int | None = None
    is_strict: bool = False
    engine: str | None = None
    precision: str | None = None
    budget: Budget = field(default_factory=Budget)


@dataclass(frozen=True)
class EvaluateResult(Result):
    """Result of ``edgecnn evaluate``.

    Attributes:
        bundle: path as it was given.
        data: name of the images.
        classes: number of classes of the network.
        images: number of images that were classified.
        broken: why images cannot be read; they are left out.
        notes: facts about the data that the figures depend on.
        accuracies: one an artefact, the baseline first.
    """

    SCHEMA: ClassVar[str] = "edgecnn.evaluate/1"

    bundle: str
    data: str
    classes: int
    images: int
    broken: tuple[str, ...]
    notes: tuple[str, ...]
    accuracies: tuple[EvaluateRow, ...]

    def broken_words(self) -> str:
        """The images that cannot be read, in one line."""
        from edgecnn.evaluate.examples import broken_words

        return broken_words(self.broken, self.images)

    def warnings(self) -> tuple[str, ...]:
        """What the figures suggest is wrong: an accuracy of float at chance."""
        from edgecnn.evaluate.chance import chance_warning

        own = [row for row in self.accuracies if row.bundle == self.bundle]
        row = next((each for each in own if each.precision == "fp32"), own[0])
        warning = chance_warning(row.top1.count, self.images, self.classes)
        return () if warning is None else (warning,)

    def blocks(self) -> list[Block]:
        from edgecnn.report.evaluate_tables import accuracy_blocks

        return accuracy_blocks(self.document(), self.classes, self.warnings())

    def document(self) -> EvaluateDocument:
        from edgecnn.documents.evaluate import EvaluateDocument

        return EvaluateDocument(
            bundle=self.bundle,
            data=self.data,
            images=self.images,
            broken=len(self.broken),
            notes=(*self.notes, *self.warnings()),
            rows=self.accuracies,
        )

    def rows(self) -> list[dict[str, Any]]:
        return [_flat(row) for row in self.accuracies]


def _flat(row: EvaluateRow) -> dict[str, Any]:
    paired = row.paired
    return {
        "bundle": row.bundle,
        "engine": row.engine,
        "precision": row.precision,
        "top1": row.top1.share,
        "top1_low": row.top1.interval[0],
        "top1_high": row.top1.interval[1],
        "top5": row.top5.share,
        "same_class": None if paired is None else paired.agreement.share,
        "right_to_wrong": None if paired is None else paired.right_to_wrong,
        "wrong_to_right": None if paired is None else paired.wrong_to_right,
        "p": None if paired is None else paired.p,
    }


def evaluate_bundle(
    bundle: str, data: str | Items | Examples, options: EvaluateOptions, *, quiet: bool = True
) -> EvaluateResult:
    """Classify every image with each artefact of a bundle, as an app would.

    Args:
        data: name or folder of labelled images, an iterable of images with labels, or images that
            were opened already.
        quiet: show no progress on stderr.

    Raises:
        BundleError, EngineError: the bundle cannot be trusted, or nothing in it can run here.
        NotAClassifier: it has no scores of classes, or those of `against` are others.
        DataUnreadable, FetchError, LabelsUnreadable: there are no such images.
    """
    from edgecnn.documents.evaluate import evaluate_rows
    from edgecnn.evaluate.class_names import classes_of, read_mapping
    from edgecnn.evaluate.run import find_variants, run
    from edgecnn.progress_bar import bar

    names = classes_of(bundle, read_mapping(options.classes) if options.classes else {})
    variants = find_variants(bundle, options.engine, options.precision)
    if options.against is not None:
        names.refuse_others(classes_of(options.against), bundle, options.against)
        variants = [find_variants(options.against, options.engine, None)[0], *variants]
    with (
        _examples(bundle, data, names, options.limit, quiet=quiet) as examples,
        bar("evaluate", quiet=quiet) as progress,
    ):
        outcome = run(
            variants,
            examples,
            processes=options.processes,
            is_strict=options.is_strict,
            budget=options.budget,
            progress=progress,
        )
    return EvaluateResult(
        bundle=bundle,
        data=examples.name,
        classes=names.classes,
        images=len(outcome.labels),
        broken=outcome.broken,
        notes=tuple(examples.notes),
        accuracies=evaluate_rows(outcome, variants),
    )


@contextlib.contextmanager
def _examples(
    bundle: str,
    data: str | Items | Examples,
    names: ClassNames,
    limit: int | None,
    *,
    quiet: bool,
) -> Iterator[Examples]:
    """At most `limit` images; those of an iterable lie in a temporary file meanwhile."""
    from edgecnn.evaluate.examples import Examples, open_examples
    from edgecnn.evaluate.spooled import spool_examples
    from edgecnn_runtime.bundle import Bundle

    if isinstance(data, str):
        yield open_examples(data, names, quiet=quiet).limited(limit)
        return
    if isinstance(data, Examples):
        yield data.limited(limit)
        return
    with Bundle(bundle) as opened:
        spec = opened.manifest.inputs[0]
    with spool_examples(data, spec, limit) as spooled:
        yield spooled.examples(names)
