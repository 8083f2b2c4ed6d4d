"""A session that learns: steps on labelled images, answers with what was learnt, saving."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.text import encodable
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.encoding import Range
from edgecnn_runtime.engines.adapted import Model, adapt
from edgecnn_runtime.engines.feeds import check_feeds
from edgecnn_runtime.engines.protocol import Engine
from edgecnn_runtime.errors import EngineError, LearningFailed
from edgecnn_runtime.learn.batch import check_batch, label_array
from edgecnn_runtime.learn.provenance import Account
from edgecnn_runtime.learn.rewrite import Learnt, rewrite
from edgecnn_runtime.learn.save import learnt_contents
from edgecnn_runtime.learn.state import check_state, range_arrays, ranges_of
from edgecnn_runtime.learn.step import TrainingStep
from edgecnn_runtime.manifest import Artefact, Manifest
from edgecnn_runtime.session import Session
from edgecnn_runtime.training import Training

if TYPE_CHECKING:
    from edgecnn_runtime.image.array_image import ChannelOrder
    from edgecnn_runtime.image.batch import ImageBatch
    from edgecnn_runtime.image.load import ImageSource


class LearningSession(Session):
    """An opened model that learns from labelled images. Made by `open` with ``learn=True``.

    `run` and `classify` answer with what has been learnt so far. As of any `Session`, its methods
    are safe to call from any thread; steps and savings take turns. Nothing is written but by
    `save`.
    """

    def __init__(
        self,
        bundle: Bundle,
        learnt: Learnt,
        step: TrainingStep,
        account: Account,
        chosen: tuple[Artefact, type[Engine]],
        threads: int | None,
    ) -> None:
        """Take over an opened bundle and a training step; `close` closes both."""
        self._bundle, self._step, self._account = bundle, step, account
        changed = step.values()
        self._constants = {
            name: each for name, each in learnt.values.items() if name not in changed
        }
        self._ranges = learnt.ranges
        self._kind, self._threads = chosen[1], threads
        self._lock = threading.RLock()
        self._last: tuple[dict[str, Array], Array] | None = None
        self._is_closed = False
        self._answers_at = step.steps
        self.manifest, self.labels = learnt.manifest, learnt.labels
        super().__init__(learnt.manifest, chosen[0], self._opened(chosen[0]), learnt.labels)

    @property
    def steps(self) -> int:
        """Number of steps done, those of earlier sessions included."""
        return self._step.steps

    def learn(
        self,
        images: ImageSource | ImageBatch,
        labels: Any,
        learning_rate: float | None = None,
        colour: ChannelOrder = "RGB",
    ) -> float:
        """Learn from a batch of labelled images; its loss, before the step.

        Args:
            images: as `classify` takes them, or a float32 array (N, …) that is preprocessed. One
                image is a batch of one.
            labels: one for each image: class numbers or class names; of another loss than
                cross-entropy the expected outputs, float32.
            learning_rate: None takes the one that the network was exported with.
            colour: as `classify` takes it.

        Raises:
            LearningFailed: the labels do not fit, or the step has no finite result; nothing is
                changed then.
            FeedError: an array is of another shape than the network reads.
            ImageError, NotAClassifier: as `preprocess` says.
            EngineError: the engine failed, or the model is closed.
        """
        training = self._training
        rate = training.learning_rate if learning_rate is None else _rate(learning_rate)
        feeds = {self.manifest.inputs[0].name: self._inputs(images, colour)}
        check_feeds(self.manifest.inputs, feeds)
        array = label_array(labels, self.labels, self.manifest)
        most_bytes = self._bundle.budget.memory_bytes
        count = check_batch(self.manifest, training, feeds, array, most_bytes)
        with self._lock:
            self._refuse_closed()
            with self._bundle.budget.step():
                result = self._step.run(feeds, array, rate)
            self._account = self._account.after(count, rate)
            self._see(result.ranges)
            self._last = (feeds, array)
        return result.loss

    def _see(self, ranges: Mapping[str, Range]) -> None:
        for name, seen in ranges.items():
            self._ranges[name] = seen.joined(self._ranges.get(name, seen))

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """One inference with what has been learnt so far, as `Session.run`."""
        with self._lock:
            self._refuse_closed()
            if self._answers_at != self._step.steps:
                before, self.engine = self.engine, self._opened(self.artefact)
                self._answers_at = self._step.steps
                before.close()
            engine = self.engine
            if self._turn is not None:  # an engine that takes one thread at a time
                return engine.run(feeds)
        return engine.run(feeds)

    def save(
        self, path: str | os.PathLike[str], held_out: Mapping[str, Any] | None = None
    ) -> Manifest:
        """Write a bundle of what was learnt, whole or not at all; learning may go on.

        `path` may be the bundle that is open: the old file stays until the new one is whole. The
        same steps give the same bytes. docs/bundle.md says what is in it, and what is left out.

        Args:
            held_out: accuracy on labelled images that were not learnt from, before and after, as
                JSON values; it goes into the provenance.

        Returns:
            The manifest as written.

        Raises:
            OutputNotWritable: the folder is missing, not writable, or full.
            LearningFailed: the network answers with NaN or infinity; or `held_out` is no JSON.
            EngineError: the engine failed, or the model is closed.
        """
        try:
            stated = json.loads(json.dumps(encodable(dict(held_out or {})), allow_nan=False))
        except (TypeError, ValueError) as error:
            raise LearningFailed(
                f"held_out is no JSON object of finite numbers: {error}; nothing was saved"
            ) from error
        with self._lock:
            self._refuse_closed()
            account = replace(self._account, held_out=stated)
            contents = learnt_contents(self._bundle, self._learnt(), account, self._threads)
            # Of a link, the file that it leads to is replaced.
            return write_bundle(Path(os.path.realpath(path)), *contents)

    def see_ranges(self) -> None:
        """See the ranges of the last batch with the weights after its step, as `save` does.

        A step tells the ranges of the weights before it. `state` holds those that were seen.
        """
        with self._lock:
            self._refuse_closed()
            if self._last is not None and self._training.is_int8_written and self._training.ranges:
                self._see(self._step.ranges(*self._last))
            self._last = None

    def state(self) -> dict[str, Array]:
        """A copy of all that the next steps and what is saved depend on, for `restore`.

        Parameters, statistics, state of the optimiser and number of steps by their names, with
        ``VALUE.range`` what was seen of each of `Training.ranges`, and the account of what was
        learnt since the bundle was opened.
        """
        with self._lock:
            return self._step.values() | range_arrays(self._ranges) | self._account.arrays()

    def restore(self, state: Mapping[str, Array]) -> None:
        """Go on from a state of this bundle, which another session may have given.

        Raises:
            LearningFailed: it is none of this bundle; nothing is changed.
            EngineError: the model is closed.
        """
        with self._lock:
            self._refuse_closed()
            check_state(self.state(), state)
            self._step.restore(state)
            self._ranges = ranges_of(self._training, state)
            self._account = self._account.restored(state)
            self._last, self._answers_at = None, -1

    def close(self) -> None:
        """Free engine, training graph and bundle. Closing twice is allowed."""
        with self._lock:
            self._is_closed = True
            super().close()
            self._step.close()
            self._bundle.close()

    @property
    def _training(self) -> Training:
        assert self.manifest.training is not None
        return self.manifest.training

    def _learnt(self) -> Learnt:
        self.see_ranges()
        values = self._constants | self._step.values()
        return Learnt(self.manifest, self.labels, values, dict(self._ranges))

    def _opened(self, artefact: Artefact) -> Model:
        """The artefact with what has been learnt so far, ready to run."""
        model = rewrite(self._bundle, artefact, self._learnt())
        with self._bundle.budget.step():
            engine = self._kind.open(model, threads=self._threads)
        return adapt(engine, self.manifest, artefact)

    def _inputs(self, images: Any, colour: ChannelOrder) -> Array:
        """Images as the network's input; an array of float32 is one already."""
        if isinstance(images, np.ndarray) and images.dtype == np.float32:
            axes = len(self.manifest.inputs[0].shape)
            return images[None] if images.ndim == axes - 1 else images
        return self.preprocess(images, colour)

    def _refuse_closed(self) -> None:
        if self._is_closed:
            raise EngineError("the model is closed; open it again")


def _rate(learning_rate: float) -> float:
    is_number = isinstance(learning_rate, int | float | np.number)
    if not is_number or isinstance(learning_rate, bool) or not 0 < learning_rate < 1e6:
        raise LearningFailed(
            f"learning_rate is {learning_rate!r}, expected a positive number, 0.01 perhaps"
        )
    return float(learning_rate)
