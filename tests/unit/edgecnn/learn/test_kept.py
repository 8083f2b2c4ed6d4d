"""The file of a learning's state: read as it was written, refused by name where it is another's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from unit.edgecnn.learn.linear import PLAN, LinearLearner, Silent, points

from edgecnn.errors import CheckpointUnreadable, ResumeRefused
from edgecnn.learn.kept import KeptLearning, learning_request
from edgecnn.learn.loop import Learning, LearningPlan
from edgecnn.learn.options import LearningOptions
from edgecnn.learn.prepare import PreparedImages

OPTIONS = LearningOptions(limit=15)
PREPARED = PreparedImages(points(9, 1), points(6, 2), (), ())


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "net.edge"
    path.write_bytes(b"a bundle")
    return path


def kept_of(
    bundle: Path,
    prepared: PreparedImages,
    plan: LearningPlan = PLAN,
    options: LearningOptions = OPTIONS,
) -> KeptLearning:
    path = bundle.with_name("new.edge.learning")
    return KeptLearning(path, learning_request(bundle, prepared, plan, None, options))


@pytest.fixture
def kept(bundle: Path) -> KeptLearning:
    """A learning that was kept after its second epoch."""
    kept = kept_of(bundle, PREPARED)
    run = Learning(
        LinearLearner(),
        PREPARED.learnt,
        PREPARED.judging,
        replace(PLAN, epochs=2),
        kept.write,
        Silent(),
    )
    run.learn(run.begin())
    return kept


def test_a_state_is_read_as_it_was_written(kept: KeptLearning) -> None:
    state = kept.read(LinearLearner().state(is_epoch=True))
    again = replace(kept, path=kept.path.with_name("again"))
    again.write(state)
    assert again.path.read_bytes() == kept.path.read_bytes()
    assert [row.epoch for row in state.history] == [0, 1, 2]
    assert state.current["weight"].any()
    kept.remove()
    kept.remove()
    assert not kept.path.exists()


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (replace(PLAN, epochs=5), "--epochs 4 instead of --epochs 5"),
        (replace(PLAN, learning_rate=0.2), "--learning-rate 0.1 instead of --learning-rate 0.2"),
        (replace(PLAN, seed=4), "--seed 3 instead of --seed 4"),
        (replace(PLAN, batch=5), "--batch 4 instead of --batch 5"),
        (replace(PLAN, patience=1), "--patience 9 instead of --patience 1"),
    ],
)
def test_other_options_are_refused_by_name(
    kept: KeptLearning, bundle: Path, plan: LearningPlan, says: str
) -> None:
    with pytest.raises(ResumeRefused, match=says):
        kept_of(bundle, PREPARED, plan).read(LinearLearner().state(is_epoch=True))


@pytest.mark.parametrize(
    ("plan", "options", "says"),
    [
        (replace(PLAN, seed=4), OPTIONS, "--seed 3 instead of --seed 4"),
        (PLAN, replace(OPTIONS, held_out=0.5), "no --held-out instead of --held-out 0.5"),
        (PLAN, replace(OPTIONS, limit=None), "--limit 15 instead of no --limit"),
    ],
)
def test_the_option_that_chooses_other_images_is_named(
    kept: KeptLearning, bundle: Path, plan: LearningPlan, options: LearningOptions, says: str
) -> None:
    other = replace(PREPARED, learnt=points(8, 3), judging=points(7, 3))
    with pytest.raises(ResumeRefused, match=says):
        kept_of(bundle, other, plan, options).read(LinearLearner().state(is_epoch=True))


def test_another_bundle_and_other_images_are_refused(kept: KeptLearning, bundle: Path) -> None:
    like = LinearLearner().state(is_epoch=True)
    other = replace(PREPARED, learnt=points(9, 3))
    with pytest.raises(ResumeRefused, match="with other images"):
        kept_of(bundle, other).read(like)
    divided = replace(PREPARED, learnt=PREPARED.learnt.part(np.arange(8)))
    with pytest.raises(ResumeRefused, match="with other images"):
        kept_of(bundle, divided).read(like)
    bundle.write_bytes(b"another bundle")
    with pytest.raises(ResumeRefused, match="with another bundle"):
        kept_of(bundle, PREPARED).read(like)


def test_without_a_file_there_is_nothing_to_resume(bundle: Path) -> None:
    with pytest.raises(ResumeRefused, match=r"nothing to resume: .*new\.edge\.learning is not"):
        kept_of(bundle, PREPARED).read({})


@pytest.mark.parametrize("damage", [b"", b"\x08" + bytes(40), None])
def test_a_damaged_file_is_refused(kept: KeptLearning, damage: bytes | None) -> None:
    content = kept.path.read_bytes()
    kept.path.write_bytes(content[:-9] if damage is None else damage)
    with pytest.raises(CheckpointUnreadable, match="begin anew without --resume"):
        kept.read(LinearLearner().state(is_epoch=True))


def test_a_state_of_other_shapes_is_refused(kept: KeptLearning) -> None:
    with pytest.raises(CheckpointUnreadable, match="weight is missing or of another shape"):
        kept.read(LinearLearner(features=2).state(is_epoch=True))
