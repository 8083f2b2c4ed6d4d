"""Epochs of steps, the best of them, early stopping, and a learning that goes on from any state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from unit.edgecnn.learn.linear import PLAN, LinearLearner, Silent, points

from edgecnn.errors import LossDiverged
from edgecnn.learn import loop
from edgecnn.learn.learner import judge
from edgecnn.learn.loop import Learning, LearningPlan, batches
from edgecnn.learn.state import LearningState, LearntEpoch

LEARNT, JUDGING = points(22, 1), points(12, 2)


def learning(plan: LearningPlan = PLAN) -> tuple[Learning, list[LearningState]]:
    kept: list[LearningState] = []
    return Learning(LinearLearner(), LEARNT, JUDGING, plan, kept.append, Silent()), kept


def test_every_epoch_shows_each_image_once_in_an_order_of_its_own() -> None:
    first, second = (np.concatenate(batches(22, PLAN, epoch)) for epoch in (1, 2))
    assert sorted(first) == sorted(second) == list(range(22))
    assert first.tolist() != second.tolist()
    assert first.tolist() == np.concatenate(batches(22, PLAN, 1)).tolist()
    other = replace(PLAN, seed=4)
    assert first.tolist() != np.concatenate(batches(22, other, 1)).tolist()


@pytest.mark.parametrize(
    ("plan", "sizes"),
    [
        (PLAN, [4, 4, 4, 4, 4, 2]),
        (replace(PLAN, is_batch_fixed=True), [4, 4, 4, 4, 4]),
        (replace(PLAN, batch=7, least_batch=2), [7, 7, 7]),
    ],
)
def test_a_rest_that_makes_no_step_is_left_out(plan: LearningPlan, sizes: list[int]) -> None:
    assert [len(part) for part in batches(22, plan, 1)] == sizes


def test_what_is_learnt_classifies_points_that_were_held_out() -> None:
    run, _ = learning()
    end = run.learn(run.begin())
    assert end.stop == "epochs"
    assert [row.epoch for row in end.history] == [0, 1, 2, 3, 4]
    assert end.steps == 4 * 6
    assert end.history[0].held_out_right == 4  # all scores are equal: the first class is taken
    assert end.history[end.best_epoch].held_out_right >= 10
    losses = [row.loss for row in end.history[1:] if row.loss is not None]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("steps", [1, 5, 6, 7, 13])
def test_a_learning_that_goes_on_from_a_kept_state_ends_with_the_same_weights(
    monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    monkeypatch.setattr(loop, "KEEP_EVERY_S", -1.0)  # after every step
    whole, kept = learning()
    end = whole.learn(whole.begin())
    state = next(each for each in kept if each.steps == steps)
    again, _ = learning()
    resumed = again.learn(state)
    for name, value in end.best.items():
        assert resumed.best[name].tobytes() == value.tobytes()
    assert (resumed.steps, resumed.best_epoch) == (end.steps, end.best_epoch)
    assert [row.loss for row in resumed.history] == [row.loss for row in end.history]


def test_it_ends_after_so_many_epochs_without_a_better_one() -> None:
    run, _ = learning(replace(PLAN, epochs=50, patience=2, learning_rate=3.0))
    end = run.learn(run.begin())
    assert end.stop == "patience"
    lowest = min(end.history, key=lambda row: row.held_out_loss).epoch
    assert end.epochs == max(end.best_epoch, lowest) + 2
    run.learner.restore(end.best)
    best = end.history[end.best_epoch]
    assert judge(run.learner, JUDGING) == (best.held_out_right, best.held_out_loss)


def test_a_falling_loss_of_held_out_images_is_waited_for() -> None:
    run, _ = learning(replace(PLAN, epochs=9, patience=1))
    end = run.learn(run.begin())
    right = [row.held_out_right for row in end.history]
    losses = [row.held_out_loss for row in end.history]
    # As many are right for several epochs, while the loss falls.
    assert len(set(right[-3:])) == 1
    assert losses == sorted(losses, reverse=True)
    assert end.stop == "epochs"


@pytest.mark.parametrize(("is_head_new", "best"), [(False, 0), (True, 1)])
def test_of_new_classes_nothing_is_known_before_the_first_step(
    is_head_new: bool, best: int
) -> None:
    begun = learning(replace(PLAN, epochs=1, is_head_new=is_head_new))[0]
    state = begun.begin()
    perfect = replace(state.history[0], held_out_right=12, held_out_loss=0.0)
    assert begun.learn(replace(state, history=(perfect,))).best_epoch == best


def test_of_equal_accuracies_the_lower_loss_is_better() -> None:
    row = LearntEpoch(1, 0.5, 0.4, 10, 1.0)
    assert replace(row, held_out_loss=0.3).is_better(row)
    assert not replace(row, held_out_loss=0.4).is_better(row)
    assert replace(row, held_out_right=11, held_out_loss=0.9).is_better(row)
    assert not replace(row, held_out_right=9, held_out_loss=0.1).is_better(row)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid", "ignore:divide")
def test_a_loss_that_is_no_number_ends_the_first_epoch_with_an_error() -> None:
    run, kept = learning(replace(PLAN, learning_rate=1e38))
    with pytest.raises(LossDiverged):
        run.learn(run.begin())
    assert not kept


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid", "ignore:divide")
def test_a_later_one_ends_the_learning_with_the_best_weights() -> None:
    run, _ = learning(replace(PLAN, epochs=1))
    one = run.learn(run.begin())
    wild = replace(run, plan=replace(PLAN, learning_rate=1e38))
    end = wild.learn(replace(one, stop=""))
    assert end.stop == "diverged"
    assert end.best_epoch == 1
    assert end.best["weight"].tobytes() == one.best["weight"].tobytes()
