"""Softmax regression that learns by SGD with momentum: a `Learner` of a few lines of numpy."""

from __future__ import annotations

import numpy as np

from edgecnn.evaluate.examples import Examples
from edgecnn.learn.inputs import Inputs, prepare_inputs
from edgecnn.learn.loop import LearningPlan
from edgecnn.learn.state import LearntEpoch, Tensors
from edgecnn_runtime.arrays import Float32, Floating, Int64
from edgecnn_runtime.errors import StepNotFinite

PLAN = LearningPlan(epochs=4, batch=4, learning_rate=0.1, patience=9, seed=3)


class LinearLearner:
    """Scores ``x @ weight`` of inputs (N, features)."""

    is_logits = True

    def __init__(self, features: int = 3, classes: int = 3) -> None:
        self.weight = np.zeros((features, classes), np.float32)
        self.momentum = np.zeros_like(self.weight)
        self.steps = 0

    def learn(self, inputs: Float32, labels: Int64, learning_rate: float) -> float:
        scores = self.scores(inputs).astype(np.float64)
        shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
        probability = shifted / shifted.sum(axis=1, keepdims=True)
        loss = float(-np.log(probability[range(len(labels)), labels]).mean())
        if not np.isfinite(loss):
            raise StepNotFinite("the loss is no number")
        probability[range(len(labels)), labels] -= 1
        gradient = inputs.T @ (probability / len(labels)).astype(np.float32)
        self.momentum = np.float32(0.9) * self.momentum + gradient
        self.weight = self.weight - np.float32(learning_rate) * self.momentum
        self.steps += 1
        return loss

    def scores(self, inputs: Float32) -> Floating:
        scores: Floating = inputs @ self.weight
        return scores

    def state(self, *, is_epoch: bool) -> Tensors:
        return {"weight": self.weight.copy(), "weight.momentum": self.momentum.copy()}

    def restore(self, state: Tensors) -> None:
        self.weight = np.array(state["weight"], np.float32)
        self.momentum = np.array(state["weight.momentum"], np.float32)


class Silent:
    """Observer that keeps what it is shown."""

    def __init__(self) -> None:
        self.epochs: list[LearntEpoch] = []

    def step(self, epoch: int, done: float, loss: float) -> None:
        """Nothing is kept of it."""

    def epoch(self, row: LearntEpoch) -> None:
        self.epochs.append(row)


def points(count: int, seed: int = 0, noise: float = 0.3) -> Inputs:
    """Points around the unit vectors, whose class is the axis."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    values = np.eye(3)[labels] + noise * random.standard_normal((count, 3))
    inputs = [value[None].astype(np.float32) for value in values]
    read, broken = prepare_inputs(Examples("points", inputs, labels), np.asarray)
    assert not broken
    return read
