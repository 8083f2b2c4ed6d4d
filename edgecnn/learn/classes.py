"""Classes of a learning: those of the bundle, or new ones named after the folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgecnn.data.class_folders import name_some
from edgecnn.errors import DataUnreadable
from edgecnn.evaluate.class_names import ClassNames
from edgecnn_runtime.arrays import Int64

LabelSource = Literal["bundle", "folders"]


@dataclass(frozen=True)
class LearntClasses:
    """Class of each name in the data, and the labels of the new bundle.

    Attributes:
        names: of the classes in the data.
        numbers: of the class of each name.
        labels: of the new bundle, where its last layer begins anew; None where it stays.
        notes: remarks for the user.
    """

    names: tuple[str, ...]
    numbers: tuple[int, ...]
    labels: tuple[str, ...] | None
    notes: tuple[str, ...] = ()


def choose_classes(
    names: Sequence[str], known: ClassNames, source: LabelSource | None, *, has_head: bool
) -> LearntClasses:
    """The bundle's classes where every name is one of them, else new ones with these names.

    Args:
        names: of the classes in the data.
        known: the bundle's classes.
        source: takes the classes of the bundle, or of the folders, whatever the names are.
        has_head: the training graph has a last layer that can be made anew.

    Raises:
        DataUnreadable: fewer than two classes; a name that is no class of the bundle, where its
            classes stay.
    """
    _check_two(names)
    if known.mapping:
        source = source or "bundle"
    unknown = known.unknown(names)
    if source == "bundle" or (source is None and not unknown):
        numbers, notes = known.numbers(names)
        return LearntClasses(tuple(names), numbers, None, notes)
    if not has_head:
        raise DataUnreadable(
            f"{name_some(unknown or names)}: no classes of the bundle, which gets new ones only "
            "where its last layer is learnt and linear; give the folders its labels "
            f"({name_some(known.labels)}), or export a network that ends in torch.nn.Linear with "
            "--learn head"
        )
    return LearntClasses(tuple(names), tuple(range(len(names))), tuple(names), (_note(names),))


def same_classes(numbers: Int64, known: ClassNames) -> LearntClasses:
    """Classes of the bundle by their numbers.

    Raises:
        DataUnreadable: fewer than two.
    """
    names = tuple(known.name_of(int(number)) for number in numbers)
    _check_two(names)
    return LearntClasses(names, tuple(map(int, numbers)), None)


def _check_two(names: Sequence[str]) -> None:
    if len(names) < 2:
        raise DataUnreadable(
            f"the images are of one class ({name_some(names)}), expected two or more: add a folder "
            "of images of another"
        )


def _note(names: Sequence[str]) -> str:
    return f"the last layer begins anew for {len(names)} classes, the folders: {name_some(names)}"
