"""JSON document of ``edgecnn learn``."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from edgecnn.documents.evaluate import PairedFields, Share, share_of
from edgecnn.evaluate.paired import compare
from edgecnn.evaluate.run import Outcome
from edgecnn.learn.artefacts import Answers
from edgecnn.learn.state import LearntEpoch


@dataclass(frozen=True)
class LearnRow:
    """Accuracy of one artefact on the held-out images, before and after.

    Attributes:
        engine: name of the engine.
        precision: of the artefact.
        before: of the given bundle; null where its classes are others.
        after: of the new bundle.
        paired: after against before, image by image; null where there is no before.
    """

    engine: str
    precision: str
    before: Share | None
    after: Share
    paired: PairedFields | None


@dataclass(frozen=True)
class LearnDocument:
    """What was learnt on labelled images, and the new bundle.

    Attributes:
        bundle: path as it was given.
        output: path of the new bundle.
        data: name of the images.
        labels: of the new bundle where its last layer began anew; null where its classes stayed.
        images: number of images that were learnt from.
        held_out: number of images that judge.
        broken: number of images that cannot be read and are left out.
        notes: facts about the data that the figures depend on.
        batch: images a step.
        learning_rate: of each step.
        epochs: that were done.
        best_epoch: whose weights are in the new bundle, by the held-out images; 0 is before the
            first.
        stop: why it ended: "epochs", "patience", or "diverged" where the loss is no number.
        steps: that were done.
        seconds: of the steps, without reading and judging images.
        left_out: paths of artefacts of the given bundle that the new one has not.
        history: the epochs; the first is 0, before learning.
        rows: one an artefact of the new bundle.
    """

    bundle: str
    output: str
    data: str
    labels: tuple[str, ...] | None
    images: int
    held_out: int
    broken: int
    notes: tuple[str, ...]
    batch: int
    learning_rate: float
    epochs: int
    best_epoch: int
    stop: str
    steps: int
    seconds: float
    left_out: tuple[str, ...]
    history: tuple[LearntEpoch, ...]
    rows: tuple[LearnRow, ...]


def learn_rows(before: Answers | None, after: Answers) -> tuple[LearnRow, ...]:
    """One row an artefact of the new bundle, paired with that of its precision before.

    Args:
        before: of the given bundle; None where its classes are others.
        after: of the new bundle, to the same images.
    """
    return tuple(_row(before, after, index) for index in range(len(after.variants)))


def _row(before: Answers | None, after: Answers, index: int) -> LearnRow:
    variant, right = after.variants[index], _share(after.outcome, index)
    known = () if before is None else tuple(each.precision for each in before.variants)
    if before is None or variant.precision not in known:
        return LearnRow(variant.engine, variant.precision, None, right, None)
    place = known.index(variant.precision)
    was, now = before.outcome.answers[place].classes, after.outcome.answers[index].classes
    paired = compare(was, now, after.outcome.labels)
    fields = PairedFields(**asdict(paired), agreement=share_of(paired.same, paired.images))
    own = _share(before.outcome, place)
    return LearnRow(variant.engine, variant.precision, own, right, fields)


def _share(outcome: Outcome, index: int) -> Share:
    return share_of(int((outcome.answers[index].ranks < 1).sum()), len(outcome.labels))
