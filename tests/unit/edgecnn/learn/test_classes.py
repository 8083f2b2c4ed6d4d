"""Names of folders that are labels of the bundle keep its classes, others become new ones."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.errors import DataUnreadable
from edgecnn.evaluate.class_names import ClassNames
from edgecnn.learn.classes import LabelSource, choose_classes, same_classes

KNOWN = ClassNames(4, ("Red apple", "pear", "plum", "fig"))
DIGITS = ClassNames(10, tuple(map(str, range(10))))


@pytest.mark.parametrize(
    ("names", "known", "numbers"),
    [
        (("plum", "red_apple"), KNOWN, (2, 0)),
        (("7", "3"), DIGITS, (7, 3)),
        (("7", "3"), ClassNames(10), (7, 3)),
        (("x", "y"), ClassNames(4, (), {"x": 3, "y": 1}), (3, 1)),
    ],
)
def test_labels_of_the_bundle_stay(
    names: tuple[str, ...], known: ClassNames, numbers: tuple[int, ...]
) -> None:
    classes = choose_classes(names, known, None, has_head=False)
    assert (classes.numbers, classes.labels) == (numbers, None)


@pytest.mark.parametrize(
    ("names", "source"),
    [(("plum", "date"), None), (("cat", "dog"), None), (("plum", "fig"), "folders")],
)
def test_other_names_are_new_classes(names: tuple[str, ...], source: LabelSource | None) -> None:
    classes = choose_classes(names, KNOWN, source, has_head=True)
    assert (classes.numbers, classes.labels) == ((0, 1), names)
    assert f"begins anew for 2 classes, the folders: {names[0]}, {names[1]}" in classes.notes[0]


def test_new_classes_need_a_last_layer_that_is_learnt() -> None:
    with pytest.raises(DataUnreadable, match=r"dog: no classes of the bundle.*--learn head"):
        choose_classes(("plum", "dog"), KNOWN, None, has_head=False)


def test_the_bundles_classes_are_kept_where_that_is_asked() -> None:
    with pytest.raises(DataUnreadable, match="dog: not among the bundle's labels"):
        choose_classes(("plum", "dog"), KNOWN, "bundle", has_head=True)


def test_one_class_is_too_few() -> None:
    with pytest.raises(DataUnreadable, match=r"of one class \(plum\), expected two"):
        choose_classes(("plum",), KNOWN, None, has_head=True)
    with pytest.raises(DataUnreadable, match=r"of one class \(fig\)"):
        same_classes(np.array([3]), KNOWN)
