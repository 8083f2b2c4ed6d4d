"""Preparation of a learning: its plan, and the images to learn from and to judge by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgecnn.data.class_folders import name_some
from edgecnn.data.item_values import Value
from edgecnn.errors import DataUnreadable, OptionsRefused
from edgecnn.evaluate.examples import Examples
from edgecnn.learn.images import LearningImages
from edgecnn.learn.inputs import KEPT_BYTES, Inputs, prepare_inputs
from edgecnn.learn.split import set_apart
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.manifest import Manifest
from edgecnn_runtime.progress import Progress
from edgecnn_runtime.training import Training

HELD_OUT = 0.2
BATCH = 16


@dataclass(frozen=True)
class PreparedImages:
    """Images to learn from, images that judge, and why others cannot be read."""

    learnt: Inputs
    judging: Inputs
    broken: tuple[str, ...]
    notes: tuple[str, ...]


def prepare_images(
    images: LearningImages,
    names: Sequence[str],
    preprocess: Callable[[Value], Float32],
    *,
    held_out: float | None,
    seed: int,
    is_strict: bool,
    progress: Progress,
) -> PreparedImages:
    """Read every image, and set some apart.

    Args:
        names: of the classes by their number.
        preprocess: makes the input (1, …) of an image.
        held_out: share of each class; None for `HELD_OUT`.
        seed: of the choice of held-out images.
        is_strict: a broken image is an error; else it is left out.
        progress: called with the share done, 0 to 1.

    Raises:
        DataUnreadable: a class has too few images that can be read, or one is broken and
            `is_strict`.
        OptionsRefused: `held_out` is given where test images judge.
    """
    if images.judging is not None and held_out is not None:
        raise OptionsRefused(
            f"--held-out {held_out:g}: {images.learnt.name} has test images of its own, which "
            "judge; leave it out"
        )
    room = KEPT_BYTES if images.judging is None else KEPT_BYTES // 2
    read, broken = prepare_inputs(images.learnt, preprocess, progress, room)
    if images.judging is not None:
        judging, further = prepare_inputs(images.judging, preprocess, progress, room)
        broken += further
        _check_sound(images.judging, judging, names, broken)
    _check_strict(broken, is_strict)
    _check_sound(images.learnt, read, names, broken)
    if images.judging is not None:
        return PreparedImages(read, judging, broken, images.notes)
    share = HELD_OUT if held_out is None else held_out
    learnt, held = set_apart(read.labels, share, seed, names, images.learnt.name)
    return PreparedImages(read.part(learnt), read.part(held), broken, images.notes)


def _check_strict(broken: Sequence[str], is_strict: bool) -> None:
    if is_strict and broken:
        raise DataUnreadable(f"{broken[0]}; without --strict it is left out")


def _check_sound(
    examples: Examples, read: Inputs, names: Sequence[str], broken: Sequence[str]
) -> None:
    """Check that of each class an image can be read."""
    if lost := sorted(set(examples.labels.tolist()) - set(read.labels.tolist())):
        raise DataUnreadable(
            f"no image of {name_some([names[number] for number in lost])} can be read, in "
            f"{examples.name}; the first: {broken[0]}"
        )


def choose_batch(given: int | None, manifest: Manifest, images: int) -> int:
    """Images a step.

    Args:
        given: by the user; None takes `BATCH`, or as many as there are.
        manifest: with the training graph.
        images: number of images to learn from.

    Raises:
        OptionsRefused: more than there are, not the batch of the training graph, or one where the
            batch has statistics of its own.
    """
    fixed = manifest.inputs[0].shape[0]
    if fixed is not None and given not in (None, fixed):
        raise OptionsRefused(
            f"--batch {given}: the training graph of {manifest.name} takes {fixed} images at once; "
            "leave it out, or edgecnn export MODEL --batch dynamic"
        )
    batch = fixed or given or min(BATCH, images)
    if batch > images:
        way = f"give --batch {images}" if fixed is None else f"add {batch - images} more"
        raise OptionsRefused(
            f"--batch {batch} is more than the {images} images to learn from; {way}"
        )
    refuse_too_few(batch, manifest.training)
    return batch


def refuse_too_few(batch: int, training: Training | None) -> None:
    """Refuse a batch that makes no step.

    Raises:
        OptionsRefused: it is one image, and the batch has statistics of its own.
    """
    if training is not None and batch < training.least_batch:
        raise OptionsRefused(
            f"--batch {batch}: batch normalisation takes its statistics from the batch, which one "
            "image has none of; give --batch 2 or more, or edgecnn export MODEL --learn-norm frozen"
        )
