"""JSON document of ``edgecnn evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from edgecnn.evaluate.paired import Paired, compare
from edgecnn.evaluate.run import Outcome, Variant
from edgecnn_runtime.parity.proportion import wilson_interval


@dataclass(frozen=True)
class Share:
    """A share of the images.

    Attributes:
        count: number of images.
        share: of all images, 0 to 1.
        interval: 95 %, by Wilson.
    """

    count: int
    share: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class PairedFields(Paired):
    """An artefact against the baseline, image by image.

    Attributes:
        agreement: `same` as a share.
    """

    agreement: Share


@dataclass(frozen=True)
class EvaluateRow:
    """Accuracy of one artefact.

    Attributes:
        bundle: path as it was given.
        engine: name of the engine.
        precision: of the artefact.
        top1, top5: images whose class is the likeliest, or one of the five likeliest.
        paired: against the first row; null in the first row.
    """

    bundle: str
    engine: str
    precision: str
    top1: Share
    top5: Share
    paired: PairedFields | None


@dataclass(frozen=True)
class EvaluateDocument:
    """Accuracy of a bundle's artefacts on labelled images.

    Attributes:
        bundle: path as it was given.
        data: name of the images.
        images: number of images that were classified.
        broken: number of images that cannot be read and are left out.
        notes: facts about the data that the figures depend on.
        rows: the baseline first.
    """

    bundle: str
    data: str
    images: int
    broken: int
    notes: tuple[str, ...]
    rows: tuple[EvaluateRow, ...]


def evaluate_rows(outcome: Outcome, variants: Sequence[Variant]) -> tuple[EvaluateRow, ...]:
    """One row an artefact; all but the first are paired with the first."""
    return tuple(_row(outcome, index, variant) for index, variant in enumerate(variants))


def _row(outcome: Outcome, index: int, variant: Variant) -> EvaluateRow:
    ranks, total = outcome.answers[index].ranks, len(outcome.labels)
    return EvaluateRow(
        bundle=variant.bundle,
        engine=variant.engine,
        precision=variant.precision,
        top1=share_of(int((ranks < 1).sum()), total),
        top5=share_of(int((ranks < 5).sum()), total),
        paired=_paired(outcome, index) if index > 0 else None,
    )


def _paired(outcome: Outcome, index: int) -> PairedFields:
    baseline, answers = outcome.answers[0], outcome.answers[index]
    paired = compare(baseline.classes, answers.classes, outcome.labels)
    return PairedFields(**asdict(paired), agreement=share_of(paired.same, paired.images))


def share_of(right: int, total: int) -> Share:
    """The share with its interval; of at least one image."""
    return Share(right, right / total, wilson_interval(right, total))
