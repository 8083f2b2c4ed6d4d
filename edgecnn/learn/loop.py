"""Loop of a learning: epochs of steps, judged by held-out images, with early stopping."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from edgecnn.errors import LossDiverged
from edgecnn.learn.inputs import Inputs
from edgecnn.learn.learner import Learner, judge
from edgecnn.learn.state import LearningState, LearntEpoch, Stop
from edgecnn_runtime.arrays import Int64
from edgecnn_runtime.errors import StepNotFinite

# A longer epoch is kept in the middle, too: at most so much is learnt anew after a kill.
KEEP_EVERY_S = 20.0


@dataclass(frozen=True)
class LearningPlan:
    """Plan of a learning.

    Attributes:
        epochs: passes over the images, at most.
        batch: images a step.
        learning_rate: of each step.
        patience: epochs after which it ends, without a better one and without a lower loss of the
            held-out images.
        seed: of the order of the images in each epoch.
        is_batch_fixed: the training graph takes no other number of images.
        least_batch: fewer images make no step: 2 where the batch has statistics of its own.
        is_head_new: the classes are new, so that the network before the first step knows none.
    """

    epochs: int
    batch: int
    learning_rate: float
    patience: int
    seed: int
    is_batch_fixed: bool = False
    least_batch: int = 1
    is_head_new: bool = False


class Observer(Protocol):
    """Shows a learning."""

    def step(self, epoch: int, done: float, loss: float) -> None:
        """After a step: the epoch, its share done, and its mean loss so far."""
        ...

    def epoch(self, row: LearntEpoch) -> None:
        """After an epoch."""
        ...


@dataclass(frozen=True)
class Learning:
    """A learning: on which images, by which plan.

    Attributes:
        learnt: images to learn from.
        judging: held-out images.
        keep: called with the state after each epoch, and in the middle of long ones.
    """

    learner: Learner
    learnt: Inputs
    judging: Inputs
    plan: LearningPlan
    keep: Callable[[LearningState], None]
    observer: Observer

    def begin(self) -> LearningState:
        """The state before the first step, judged as epoch 0."""
        state = self.learner.state(is_epoch=True)
        right, loss = judge(self.learner, self.judging)
        return LearningState(state, state, (LearntEpoch(0, None, loss, right, 0.0),))

    def learn(self, state: LearningState) -> LearningState:
        """Learn from a state on until the plan, the held-out images or the loss end it.

        The order of the images depends on the seed and the epoch alone, so that a state that was
        kept leads to the same weights as one that was not.

        Raises:
            LossDiverged: the loss is no number in the first epoch.
        """
        self.learner.restore(state.current)
        while not state.stop:
            state = self._epoch(state)
            self.keep(state)
        return state

    def _epoch(self, state: LearningState) -> LearningState:
        number, began = state.epochs + 1, time.monotonic()
        parts = batches(len(self.learnt), self.plan, number)
        for part in parts[state.batch :]:
            try:
                state = self._step(state, part)
            except StepNotFinite as error:
                if number == 1:
                    raise self._diverged(state) from error
                return replace(state, stop="diverged")
            self.observer.step(number, state.batch / len(parts), state.loss_sum / state.batch)
            if time.monotonic() - began > KEEP_EVERY_S and state.batch < len(parts):
                self.keep(replace(state, current=self.learner.state(is_epoch=False)))
                began = time.monotonic()
        return self._judged(state)

    def _step(self, state: LearningState, part: Int64) -> LearningState:
        inputs, began = self.learnt.read(part), time.perf_counter()
        loss = self.learner.learn(inputs, self.learnt.labels[part], self.plan.learning_rate)
        return replace(
            state,
            batch=state.batch + 1,
            loss_sum=state.loss_sum + loss,
            steps=state.steps + 1,
            seconds=state.seconds + time.perf_counter() - began,
        )

    def _diverged(self, state: LearningState) -> LossDiverged:
        rate = self.plan.learning_rate
        return LossDiverged(
            f"the loss is no number in step {state.batch + 1} of the first epoch, at a learning "
            f"rate of {rate:g}; nothing was written; give --learning-rate {rate / 10:g}"
        )

    def _judged(self, state: LearningState) -> LearningState:
        """The state after an epoch."""
        right, loss = judge(self.learner, self.judging)
        before = sum(row.seconds for row in state.history)
        row = LearntEpoch(
            epoch=state.epochs + 1,
            loss=state.loss_sum / max(1, state.batch),
            held_out_loss=loss,
            held_out_right=right,
            seconds=state.seconds - before,
        )
        self.observer.epoch(row)
        current = self.learner.state(is_epoch=True)
        is_first = self.plan.is_head_new and row.epoch == 1
        is_best = is_first or row.is_better(state.history[state.best_epoch])
        best_epoch = row.epoch if is_best else state.best_epoch
        history = (*state.history, row)
        return replace(
            state,
            current=current,
            best=current if is_best else state.best,
            best_epoch=best_epoch,
            history=history,
            batch=0,
            loss_sum=0.0,
            stop=_stop(self.plan, history, best_epoch),
        )


def batches(count: int, plan: LearningPlan, epoch: int) -> list[Int64]:
    """Indices of the images of each step of an epoch; a rest that is too small is left out.

    Args:
        count: of images.
        epoch: from 1 on.
    """
    order = np.random.default_rng((plan.seed, epoch)).permutation(count).astype(np.int64)
    least = plan.batch if plan.is_batch_fixed else plan.least_batch
    parts = [order[at : at + plan.batch] for at in range(0, count, plan.batch)]
    return [part for part in parts if len(part) >= least]


def _stop(plan: LearningPlan, history: tuple[LearntEpoch, ...], best_epoch: int) -> Stop:
    epoch = history[-1].epoch
    if epoch >= plan.epochs:
        return "epochs"
    # Few held-out images are all right or not; their loss still tells whether it gets better.
    lowest = min(history, key=lambda row: row.held_out_loss).epoch
    return "patience" if epoch - max(best_epoch, lowest) >= plan.patience else ""
