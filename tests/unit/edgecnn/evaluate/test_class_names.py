"""A folder's name finds its class, or is refused with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.errors import DataUnreadable
from edgecnn.evaluate.class_names import ClassNames, classes_of, read_mapping
from edgecnn_runtime.errors import NotAClassifier

COLOURS = ClassNames(3, ("deep red", "green", "blue"))


def test_labels_match_whatever_their_case_and_joints() -> None:
    assert COLOURS.numbers(("Blue", "deep_red", "GREEN")) == ((2, 0, 1), ())
    # A part of the classes is enough.
    assert COLOURS.numbers(("Deep-Red",)) == ((0,), ())


def test_names_that_are_numbers_are_classes() -> None:
    assert ClassNames(12).numbers(("10", "2"))[0] == (10, 2)
    # Labels that are numbers themselves come first.
    assert ClassNames(2, ("1", "0")).numbers(("0", "1"))[0] == (1, 0)


def test_as_many_names_as_classes_are_numbered_in_order() -> None:
    numbers, notes = COLOURS.numbers(("n01", "n02", "n03"))
    assert numbers == (0, 1, 2)
    assert notes == (
        "none is a label of the bundle (deep red, green, blue), so that classes are numbered in "
        "the order of their names: n01 is 0, n03 is 2",
    )


def test_a_mapping_comes_before_the_labels() -> None:
    names = ClassNames(3, COLOURS.labels, {"green": 0, "blue": 1})
    assert names.numbers(("blue", "green"))[0] == (1, 0)


@pytest.mark.parametrize(
    ("names", "of", "said"),
    [
        (COLOURS, ("green", "pink"), "pink: not among the bundle's labels, which have 1 of the 2"),
        (COLOURS, ("n01", "n02"), "these 2 names are not labels"),
        (COLOURS, ("0", "3"), "3 is class 3, expected 0 to 2"),
        (ClassNames(3, (), {"a": 5}), ("a",), "a is class 5, expected 0 to 2"),
        (ClassNames(3, (), {"a": 1}), ("a", "b"), "b: not among the file of --classes"),
        # ImageNet has two maillots.
        (ClassNames(3, ("crane", "cat", "Crane")), ("crane",), "of classes 0 and 2"),
    ],
)
def test_what_is_not_clear_is_refused(names: ClassNames, of: tuple[str, ...], said: str) -> None:
    with pytest.raises(DataUnreadable, match=said):
        names.numbers(of)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat 3\nbig dog 1\n\n", {"cat": 3, "big dog": 1}),
        ("tench\ngreat white shark\n", {"tench": 0, "great white shark": 1}),
        ('{"cat": 3, "dog": 1}', {"cat": 3, "dog": 1}),
        # As imagenet_class_index.json comes.
        ('{"0": ["n01440764", "tench"]}', {"n01440764": 0, "tench": 0}),
        ('{"7": "cock"}', {"cock": 7}),
    ],
)
def test_a_mapping_is_read_in_the_forms_that_people_have(
    tmp_path: Path, text: str, expected: dict[str, int]
) -> None:
    path = tmp_path / "classes"
    path.write_text(text)
    assert read_mapping(path) == expected


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"{not json", "in JSON"),
        (b'{"cat": true}', "'?cat'? is True"),
        (b'{"cat": 1.5}', "1.5"),
        (b'{"cat": ["dog"]}', "in JSON"),
        (b"cat 1\ncat 2\n", "has cat more than once"),
    ],
)
def test_a_mapping_of_another_form_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "classes"
    path.write_bytes(content)
    with pytest.raises(DataUnreadable, match=said):
        read_mapping(path)


def test_a_mapping_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataUnreadable, match="cannot be read: No such file"):
        read_mapping(tmp_path / "classes")


def test_a_bundle_knows_its_classes(bundle: Path) -> None:
    assert classes_of(str(bundle)) == ClassNames(3, ("red", "green", "blue"))


def test_a_bundle_without_preprocessing_classifies_nothing(tmp_path: Path) -> None:
    from dataclasses import replace

    from conftest import contents

    from edgecnn_runtime.bundle.write import write_bundle

    manifest, files = contents()
    golden = tuple(replace(example, image=None) for example in manifest.golden)
    del files["golden/0.image.npy"]
    path = tmp_path / "bare.edge"
    write_bundle(path, replace(manifest, preprocess=None, golden=golden), files)
    with pytest.raises(NotAClassifier, match="no preprocessing"):
        classes_of(str(path))
