"""Running a bundle: preprocess → engine → postprocess."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self, overload

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.background import Background
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.choice.fastest import fastest
from edgecnn_runtime.choice.rank import Choice, Ranked
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.engines.adapted import TO_NCHW, Model, adapt, is_thread_safe
from edgecnn_runtime.errors import EngineError, EngineUnavailable, NotAClassifier, first_line
from edgecnn_runtime.manifest import Artefact, Manifest, Preprocess
from edgecnn_runtime.tasks import Classification, softmax, top_k

if TYPE_CHECKING:
    from edgecnn_runtime.image.array_image import ChannelOrder
    from edgecnn_runtime.image.batch import ImageBatch
    from edgecnn_runtime.image.load import ImageSource


class Session:
    """An opened model, ready to run; all digests of its bundle are checked. Made by `open`.

    Threads may share it: `run`, `classify`, `preprocess` and `close` are safe to call at any time
    from any thread, on every engine. ONNX Runtime runs them side by side; the other engines keep
    one set of tensors, so that their threads take turns. Answers are arrays of the caller's own,
    which no later run changes; arrays that are fed must not be written to until `run` returns.
    """

    def __init__(
        self,
        manifest: Manifest,
        artefact: Artefact,
        engine: Model,
        labels: tuple[str, ...],
        reason: str = "",
    ) -> None:
        """Take over an opened engine.

        Args:
            reason: why this artefact and engine, in words.
        """
        self.manifest = manifest
        self.artefact = artefact
        self.engine = engine
        self.labels = labels
        self.reason = reason
        # Reentrant, so that a signal handler may close the model in the middle of a run.
        self._turn = None if is_thread_safe(engine) else threading.RLock()

    @property
    def precision(self) -> str:
        """Precision of the artefact: ``fp32``, ``fp16`` or ``int8``."""
        return self.artefact.precision

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """One inference on arrays that are already preprocessed: name → array in and out.

        Raises:
            FeedError: an input is missing, unexpected, or of the wrong shape or type.
            EngineError: the engine failed, or the model is closed.
        """
        if self._turn is None:
            return self.engine.run(feeds)
        with self._turn:
            return self.engine.run(feeds)

    def preprocess(self, image: ImageSource | ImageBatch, colour: ChannelOrder = "RGB") -> Array:
        """The image as the model's input: (1, …), or (N, …) of a batch of N images.

        Args:
            image: an (H, W, C) uint8 array, RGB unless `colour` says BGR, with C 1 (grey), 3 or 4;
                a path, bytes of an image file, a Pillow image, a uint8 tensor of PyTorch; or a
                batch: a list or tuple of these, an array (N, H, W, C). EXIF turns files and Pillow
                images upright; an array is never turned.
            colour: order of an array's channels. A frame of OpenCV is "BGR".

        Raises:
            ImageError: it is no image; of a batch, names which.
            NotAClassifier: the bundle carries no preprocessing.
        """
        from edgecnn_runtime.image.batch import split_batch, stack

        spec, images = self._preprocessing(), split_batch(image)
        return stack(images.inputs(0, len(images), colour, spec))

    @overload
    def classify(
        self, image: ImageSource, top: int = 5, colour: ChannelOrder = "RGB"
    ) -> list[Classification]: ...
    @overload
    def classify(
        self, image: ImageBatch, top: int = 5, colour: ChannelOrder = "RGB"
    ) -> list[list[Classification]]: ...
    def classify(
        self, image: ImageSource | ImageBatch, top: int = 5, colour: ChannelOrder = "RGB"
    ) -> list[Classification] | list[list[Classification]]:
        """The `top` most likely classes of an image, best first; of a batch, a list for each image.

        Images of a batch run together where the model takes any batch, else one after the other.

        Args:
            image, colour: as `preprocess` takes them. To a type checker an array is one image.

        Raises:
            ImageError: it is no image; of a batch, names which.
            NotAClassifier: the bundle carries no preprocessing or no labels.
        """
        from edgecnn_runtime.image.batch import AT_ONCE, split_batch, stack

        if self.manifest.postprocess is None:
            raise NotAClassifier(
                f"{self.manifest.name} carries no labels, so it classifies no image; feed arrays "
                "with run(), or export it with --labels FILE and --preprocess NAME"
            )
        spec = self._preprocessing()
        spec = replace(spec, layout=self.artefact.layout or spec.layout)
        images, size = split_batch(image), self.manifest.inputs[0].shape[0]
        answers: list[list[Classification]] = []
        for start in range(0, len(images), size or AT_ONCE):
            inputs = images.inputs(start, start + (size or AT_ONCE), colour, spec)
            scores = self._scores(stack(inputs, size))
            scores = softmax(scores) if self.manifest.postprocess.softmax else scores
            answers += [top_k(scores[row], self.labels, top) for row in range(len(inputs))]
        return answers if images.is_batch else answers[0]

    def _scores(self, feed: Array) -> Array:
        """Scores (N, classes) of preprocessed images in the artefact's layout."""
        if self.artefact.layout is not None:
            # A view in the manifest's order: the engine's transposition restores memory order.
            feed = feed.transpose(TO_NCHW)
        scores = self.run({self.manifest.inputs[0].name: feed})[self.manifest.outputs[0].name]
        if scores.shape != (len(feed), len(self.labels)):
            raise EngineError(
                f"{self.artefact.path} answers {scores.shape} scores, expected one for each of "
                f"{len(self.labels)} labels; the bundle is damaged, export it again"
            )
        return scores

    def _preprocessing(self) -> Preprocess:
        if self.manifest.preprocess is None:
            raise NotAClassifier(
                f"{self.manifest.name} carries no preprocessing; feed arrays with run(), or "
                "export it with --preprocess NAME"
            )
        return self.manifest.preprocess

    def close(self) -> None:
        """Free the engine. Closing twice is allowed.

        A run in another thread ends with its answer; one that begins later raises EngineError.
        """
        with self._turn or contextlib.nullcontext():
            self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_session(
    bundle: Bundle,
    engine: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
    artefact: str | None = None,
) -> Session:
    """Check every digest of a bundle, and open its fastest artefact; the bundle may be closed then.

    An engine that is not named and refuses the artefact, or does not load, is passed over.

    Raises:
        BundleError, EngineUnavailable, EngineError: as `open` says.
    """
    choice = fastest(bundle.manifest, engine, precision, artefact, threads)
    refusals: list[EngineError] = []
    passed: list[str] = []
    for ranked in choice.ranked:
        try:
            return _open_ranked(bundle, ranked, _reason(choice, passed))
        except EngineError as error:
            if engine is not None or artefact is not None:
                raise
            refusals.append(error)
            passed.append(f"{ranked.candidate.words()} ({first_line(error)})")
    raise refusals[0]


def _reason(choice: Choice, passed: Sequence[str]) -> str:
    if not passed:
        return choice.reason
    return f"the next {choice.reason}; passed over: {', '.join(passed)}"


def _open_ranked(bundle: Bundle, ranked: Ranked, reason: str) -> Session:
    """Open one candidate, while the bundle's other files are checked."""
    chosen, kind = ranked.candidate.artefact, engine_class(ranked.candidate.engine)
    with contextlib.ExitStack() as undo:
        # Hashing needs no interpreter lock: the engine is imported while its artefact is hashed,
        # and opens the checked artefact while the other files are checked.
        content = bundle.load_artefact(chosen)
        artefact_check = Background(lambda: bundle.check_artefact(chosen, content))
        with contextlib.suppress(EngineUnavailable):  # `kind.open` raises it again
            kind.version()
        artefact_check.result()
        bundle_check = Background(lambda: bundle.check(chosen.paths, with_artefacts=False))
        try:
            with bundle.budget.step():
                opened = kind.open(content.model, weights=content.weights, threads=ranked.threads)
            undo.callback(opened.close)
        finally:
            bundle_check.result()  # a bad bundle is reported before an engine that fails on it
        model = adapt(opened, bundle.manifest, chosen)
        labels = bundle.labels()
        undo.pop_all()
        return Session(bundle.manifest, chosen, model, labels, reason)


def zero_feeds(manifest: Manifest) -> dict[str, Array]:
    """Arrays of zeros that fit the inputs, batch 1, for a model without golden inputs."""
    return {
        spec.name: np.zeros([extent or 1 for extent in spec.shape], spec.dtype)
        for spec in manifest.inputs
    }
