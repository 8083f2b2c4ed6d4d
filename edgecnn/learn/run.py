"""Run of a learning: from a bundle and images to a new bundle, kept on the way to be resumed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from edgecnn.console import note
from edgecnn.data.iterables import Items
from edgecnn.evaluate.class_names import ClassNames, classes_of, read_mapping
from edgecnn.evaluate.spooled import spool_examples
from edgecnn.learn.artefacts import Answers, answers_of, artefact_paths
from edgecnn.learn.classes import LearntClasses, choose_classes
from edgecnn.learn.images import LearningImages, open_images, spooled_images
from edgecnn.learn.kept import KeptLearning, learning_request
from edgecnn.learn.learner import SessionLearner, trainable_manifest
from edgecnn.learn.loop import Learning, LearningPlan, Observer
from edgecnn.learn.options import LearningOptions
from edgecnn.learn.output import learnt_path, state_path
from edgecnn.learn.prepare import PreparedImages, choose_batch, prepare_images
from edgecnn.learn.state import LearningState
from edgecnn.progress_bar import bar, waiting
from edgecnn_runtime.manifest import Manifest

# Shows a learning that so many held-out images judge.
Watch = Callable[[int], AbstractContextManager[Observer]]


@dataclass(frozen=True)
class Learnt:
    """Outcome of a learning.

    Attributes:
        output: path of the new bundle.
        data: name of the images.
        labels: of the new bundle where they are new.
        state: at the end.
        images, held_out: numbers of images that were learnt, and that judge.
        broken: why images cannot be read; they are left out.
        notes: remarks for the user.
        batch, learning_rate: of each step.
        before: answers of the given bundle; None where its classes are others.
        after: answers of the new one.
        left_out: artefacts that the new bundle lacks.
    """

    output: Path
    data: str
    labels: tuple[str, ...] | None
    state: LearningState
    images: int
    held_out: int
    broken: tuple[str, ...]
    notes: tuple[str, ...]
    batch: int
    learning_rate: float
    before: Answers | None
    after: Answers
    left_out: tuple[str, ...]


def run(
    bundle: str, data: str | Items, options: LearningOptions, watch: Watch, *, quiet: bool
) -> Learnt:
    """Learn, write the new bundle, and judge its artefacts; `learn_bundle` has the errors."""
    manifest = trainable_manifest(bundle)
    output = learnt_path(Path(bundle), options.output, manifest.name, force=options.force)
    known = classes_of(bundle, read_mapping(options.classes) if options.classes else {})
    with _open_images(data, manifest, known, options, quiet=quiet) as images:
        return _Run(bundle, manifest, known, images, options, output, watch, quiet).run()


@contextlib.contextmanager
def _open_images(
    data: str | Items,
    manifest: Manifest,
    known: ClassNames,
    options: LearningOptions,
    *,
    quiet: bool,
) -> Iterator[LearningImages]:
    """The images; those of an iterable lie in a temporary file meanwhile."""

    def choose(names: tuple[str, ...]) -> LearntClasses:
        has_head = manifest.training is not None and manifest.training.head is not None
        return choose_classes(names, known, options.labels, has_head=has_head)

    if isinstance(data, str):
        yield open_images(data, choose, quiet=quiet).limited(options.limit)
        return
    with spool_examples(data, manifest.inputs[0]) as spooled:
        yield spooled_images(spooled, known, choose).limited(options.limit)


@dataclass(frozen=True)
class _Run:
    bundle: str
    manifest: Manifest
    known: ClassNames
    images: LearningImages
    options: LearningOptions
    output: Path
    watch: Watch
    quiet: bool

    def run(self) -> Learnt:
        labels = self.images.classes.labels
        with SessionLearner(self.bundle, labels, self.options.seed) as learner:
            prepared = self._prepare(learner)
            plan = self._plan(prepared)
            kept = self._kept(prepared, plan)
            state = self._learn(learner, prepared, plan, kept)
            before = None if labels is not None else self._answers(Path(self.bundle), prepared)
            dropped = self._save(learner, prepared, state)
        kept.remove()
        return Learnt(
            output=self.output,
            data=self.images.learnt.name,
            labels=labels,
            state=state,
            images=len(prepared.learnt),
            held_out=len(prepared.judging),
            broken=prepared.broken,
            notes=prepared.notes,
            batch=plan.batch,
            learning_rate=plan.learning_rate,
            before=before,
            after=self._answers(self.output, prepared),
            left_out=dropped,
        )

    def _prepare(self, learner: SessionLearner) -> PreparedImages:
        names = self.images.classes.labels or self.known.names()
        with bar("reading the images", quiet=self.quiet) as progress:
            return prepare_images(
                self.images,
                names,
                learner.preprocess,
                held_out=self.options.held_out,
                seed=self.options.seed,
                is_strict=self.options.is_strict,
                progress=progress,
            )

    def _plan(self, prepared: PreparedImages) -> LearningPlan:
        assert self.manifest.training is not None, "checked when it was opened"
        return LearningPlan(
            epochs=self.options.epochs,
            batch=choose_batch(self.options.batch, self.manifest, len(prepared.learnt)),
            learning_rate=self.options.learning_rate or self.manifest.training.learning_rate,
            patience=self.options.patience,
            seed=self.options.seed,
            is_batch_fixed=self.manifest.inputs[0].shape[0] is not None,
            least_batch=self.manifest.training.least_batch,
            is_head_new=self.images.classes.labels is not None,
        )

    def _kept(self, prepared: PreparedImages, plan: LearningPlan) -> KeptLearning:
        labels = self.images.classes.labels
        request = learning_request(Path(self.bundle), prepared, plan, labels, self.options)
        return KeptLearning(state_path(self.output), request)

    def _learn(
        self,
        learner: SessionLearner,
        prepared: PreparedImages,
        plan: LearningPlan,
        kept: KeptLearning,
    ) -> LearningState:
        """The state at the end; what is learnt meanwhile is kept in a file."""
        held_out = len(prepared.judging)
        if kept.path.exists() and not self.options.is_resumed:
            note(
                f"begun anew: {kept.path} is of an interrupted learning, which --resume goes on "
                "with",
                quiet=self.quiet,
            )
        with self.watch(held_out) as observer:
            learning = Learning(
                learner, prepared.learnt, prepared.judging, plan, kept.write, observer
            )
            begun = kept.read(learner.state(is_epoch=True)) if self.options.is_resumed else None
            try:
                state = learning.learn(begun or learning.begin())
            except KeyboardInterrupt:
                if kept.path.exists():
                    note("what was learnt is kept; --resume goes on", quiet=self.quiet)
                raise
        return state

    def _save(
        self, learner: SessionLearner, prepared: PreparedImages, state: LearningState
    ) -> tuple[str, ...]:
        """Write the new bundle; the artefacts that it lacks."""
        count = len(prepared.judging)
        held_out = {
            "images": count,
            "data": self.images.learnt.name,
            "after": state.history[state.best_epoch].held_out_right / count,
        }
        if self.images.classes.labels is None:
            held_out["before"] = state.history[0].held_out_right / count
        had = artefact_paths(Path(self.bundle))
        learner.restore(state.best)
        with waiting("writing the bundle", quiet=self.quiet):
            learner.save(self.output, held_out)
        has = artefact_paths(self.output)
        return tuple(path for path in had if path not in has)

    def _answers(self, bundle: Path, prepared: PreparedImages) -> Answers:
        examples = prepared.judging.examples(self.images.learnt.name)
        with bar(f"judging {bundle.name}", quiet=self.quiet) as progress:
            return answers_of(bundle, examples, progress)
