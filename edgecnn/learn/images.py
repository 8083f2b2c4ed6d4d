"""Labelled images to learn from, and those that judge: of a folder, a data set or an iterable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecnn.data import load
from edgecnn.data.class_folders import Classes, find_classes, name_some, paths_of
from edgecnn.data.named import NAMED
from edgecnn.errors import DataUnreadable
from edgecnn.evaluate.class_names import ClassNames
from edgecnn.evaluate.examples import Examples
from edgecnn.evaluate.spooled import SpooledExamples
from edgecnn.learn.classes import LearntClasses, same_classes
from edgecnn_runtime.arrays import Int64, UInt8

# Chooses the classes of a learning from the names in the data.
ChooseClasses = Callable[[tuple[str, ...]], LearntClasses]


@dataclass(frozen=True)
class LearningImages:
    """Images of a learning, their labels numbers of the new bundle's classes.

    Attributes:
        learnt: to learn from; those that judge among them, where `judging` is None.
        judging: test images of their own.
        classes: labels of the new bundle where they are new, and remarks.
    """

    learnt: Examples
    judging: Examples | None
    classes: LearntClasses

    def limited(self, count: int | None) -> LearningImages:
        """At most `count` to learn from, and to judge by, drawn uniformly."""
        judging = None if self.judging is None else self.judging.limited(count)
        return LearningImages(self.learnt.limited(count), judging, self.classes)

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks for the user."""
        return (*self.classes.notes, *self.learnt.notes)


def open_images(data: str, choose: ChooseClasses, *, quiet: bool) -> LearningImages:
    """The images of a named data set, or of a folder with a folder for each class.

    A data set's test images judge, and those in ``test/`` beside ``train/``.

    Raises:
        DataUnreadable: no such data or folder, fewer than two classes, or classes that the bundle
            cannot have.
        FetchError: a named data set is not there and cannot be fetched.
    """
    if data in NAMED:
        classes = choose(NAMED[data].labels)
        learnt, tested = (
            _numbered(data, load(data, split, quiet=quiet), classes) for split in ("train", "test")
        )
        return LearningImages(learnt, tested, classes)
    folders = find_classes(Path(data))
    classes = choose(tuple(folders.train))
    notes: tuple[str, ...] = ()
    if folders.others:
        others = name_some([str(other.relative_to(data)) for other in folders.others])
        notes = (f"left out, being no images of a class: {others}",)
    name = Path(data).resolve().name
    learnt = _of_folder(name, folders.train, classes, notes)
    judging = _of_folder(name, folders.test, classes, ()) if folders.test else None
    return LearningImages(learnt, judging, classes)


def spooled_images(
    spooled: SpooledExamples, known: ClassNames, choose: ChooseClasses
) -> LearningImages:
    """The images of an iterable; numbers as labels are the bundle's classes.

    Raises:
        DataUnreadable: a number that is no class of the bundle, fewer than two classes, or numbers
            and names.
    """
    words = sorted({label for label in spooled.labels if isinstance(label, str)})
    if not words:
        examples = spooled.examples(known)
        return LearningImages(examples, None, same_classes(np.unique(examples.labels), known))
    if len(words) < len({*spooled.labels}):
        raise DataUnreadable(
            f"{spooled.name} has labels that are names ({name_some(words)}) and labels that are "
            "numbers, expected one of both"
        )
    classes = choose(tuple(words))
    number_of = dict(zip(classes.names, classes.numbers, strict=True))
    labels = np.array([number_of[str(label)] for label in spooled.labels], np.int64)
    return LearningImages(Examples(spooled.name, spooled.images, labels), None, classes)


def _numbered(data: str, images: tuple[UInt8, Int64], classes: LearntClasses) -> Examples:
    return Examples(data, images[0], np.array(classes.numbers, np.int64)[images[1]])


def _of_folder(
    name: str, folders: Classes, classes: LearntClasses, notes: tuple[str, ...]
) -> Examples:
    number_of = dict(zip(classes.names, classes.numbers, strict=True))
    counts = [len(paths) for paths in folders.values()]
    numbers = np.array([number_of[each] for each in folders], np.int64)
    return Examples(name, paths_of(folders), np.repeat(numbers, counts), notes)
