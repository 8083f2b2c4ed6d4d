"""Learner: the training graph of a bundle in the runtime, its state, and its accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np

import edgecnn_runtime
from edgecnn.data.item_values import Value
from edgecnn.errors import OptionsRefused
from edgecnn.learn.inputs import Inputs
from edgecnn.learn.state import Tensors
from edgecnn_runtime.arrays import Float32, Floating, Int64
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.errors import NotTrainable
from edgecnn_runtime.image.batch import stack
from edgecnn_runtime.manifest import Manifest

# Held-out images that run together.
AT_ONCE = 16


class Learner(Protocol):
    """A network that learns; `SessionLearner` is the one of a bundle."""

    is_logits: bool
    """Whether its scores are logits; else they are probabilities."""

    def learn(self, inputs: Float32, labels: Int64, learning_rate: float) -> float:
        """One step; the loss before it.

        Raises:
            StepNotFinite: the loss, its gradient or a weight is no number; nothing was learnt.
        """
        ...

    def scores(self, inputs: Float32) -> Floating:
        """Scores (N, classes) of inputs (N, …), with what has been learnt so far."""
        ...

    def state(self, *, is_epoch: bool) -> Tensors:
        """A copy of all that the next step and the new bundle depend on.

        Args:
            is_epoch: an epoch has ended; else a step of it follows.
        """
        ...

    def restore(self, state: Tensors) -> None:
        """Continue from a state."""
        ...


class SessionLearner:
    """A bundle that learns, with new classes where labels are given."""

    def __init__(self, bundle: str, labels: Sequence[str] | None, seed: int) -> None:
        """Open the bundle.

        Args:
            seed: of the random numbers that steps draw.

        Raises:
            BundleError, EngineError, NotTrainable: it cannot be trusted, or cannot learn here.
        """
        precision = judged_precision(trainable_manifest(bundle))
        self._session = edgecnn_runtime.open(
            bundle, learn=True, labels=labels, seed=seed, precision=precision
        )
        postprocess = self._session.manifest.postprocess
        self.is_logits = postprocess is None or postprocess.softmax

    def preprocess(self, image: Value) -> Float32:
        """The input (1, …) of an image, as an app would make it."""
        made: Float32 = self._session.preprocess(image)
        return made

    def learn(self, inputs: Float32, labels: Int64, learning_rate: float) -> float:
        return self._session.learn(inputs, labels, learning_rate)

    def scores(self, inputs: Float32) -> Floating:
        feed, output = self._session.manifest.inputs[0], self._session.manifest.outputs[0]
        size = feed.shape[0] or len(inputs)
        parts = []
        for begin in range(0, len(inputs), size):
            part = [each[None] for each in inputs[begin : begin + size]]
            answers = self._session.run({feed.name: stack(part, feed.shape[0])})
            parts.append(answers[output.name][: len(part)])
        return np.concatenate(parts)

    def state(self, *, is_epoch: bool) -> Tensors:
        if is_epoch:
            self._session.see_ranges()
        return self._session.state()

    def restore(self, state: Tensors) -> None:
        self._session.restore(state)

    def save(self, path: Path, held_out: dict[str, object]) -> None:
        """Write a bundle of what was learnt, whole or not at all."""
        self._session.save(path, held_out)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session.close()


def judged_precision(manifest: Manifest) -> str:
    """Precision of the artefact that the held-out images judge after each epoch.

    Behind an int8 backbone it is int8: the head learns from the features that this one computes.
    """
    training = manifest.training
    is_int8 = training is not None and training.backbone == "int8" and training.is_int8_written
    return "int8" if is_int8 else "fp32"


def trainable_manifest(bundle: str) -> Manifest:
    """The manifest of a bundle that can learn classes.

    Raises:
        BundleError: it cannot be trusted.
        NotTrainable: it has no training graph.
        OptionsRefused: its loss is not of classes.
    """
    with Bundle(bundle) as opened:
        manifest = opened.manifest
    if manifest.training is None:
        raise NotTrainable(
            f"{bundle} has no training graph, so that it cannot learn; edgecnn export MODEL "
            "--learn head writes one"
        )
    if manifest.training.loss != "cross_entropy":
        raise OptionsRefused(
            f"{bundle} learns by {manifest.training.loss}, edgecnn learn takes folders of classes: "
            "edgecnn export MODEL --learn head --loss cross_entropy; from Python "
            "edgecnn_runtime.open(BUNDLE, learn=True) learns numbers"
        )
    return manifest


def judge(learner: Learner, inputs: Inputs) -> tuple[int, float]:
    """Number of images whose class is right, and the mean cross-entropy."""
    right, lost = 0, 0.0
    for begin in range(0, len(inputs), AT_ONCE):
        part = np.arange(begin, min(begin + AT_ONCE, len(inputs)))
        labels = inputs.labels[part]
        scores = learner.scores(inputs.read(part))
        right += int((scores.argmax(axis=1) == labels).sum())
        lost -= float(_log_probabilities(scores, learner.is_logits)[range(len(part)), labels].sum())
    return right, lost / len(inputs)


def _log_probabilities(scores: Floating, is_logits: bool) -> Floating:
    values = scores.astype(np.float64)
    if not is_logits:
        # Of probability zero there is no logarithm: the smallest float32 has one.
        return np.log(np.maximum(values, np.finfo(np.float32).tiny))
    shifted = values - values.max(axis=1, keepdims=True)
    logs: Floating = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logs
