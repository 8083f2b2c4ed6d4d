"""Accuracy at chance, and data or baselines for other classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import contents

from edgecnn.bench.unlike import unlike_baseline
from edgecnn.data.named import NAMED
from edgecnn.errors import DataUnreadable
from edgecnn.evaluate.chance import chance_of_export, chance_warning
from edgecnn.evaluate.class_names import ClassNames
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.errors import NotAClassifier

DIGITS = NAMED["mnist"].labels


@pytest.mark.parametrize(
    ("right", "images", "classes", "is_chance"),
    [
        (103, 1000, 10, True),
        (0, 1000, 10, True),  # labels in another order are below chance
        (200, 1000, 10, False),
        (2, 20, 10, False),  # of 20 images nobody can say
        (0, 200, 1000, True),
        (0, 20, 1000, False),
        (500, 1000, 2, True),
        (600, 1000, 2, False),
        (1, 2, 2, False),
        (10, 10, 1, False),
    ],
)
def test_an_accuracy_at_chance_is_reported_where_its_interval_allows_no_other(
    right: int, images: int, classes: int, is_chance: bool
) -> None:
    warning = chance_warning(right, images, classes)
    assert (warning is not None) == is_chance
    if warning is not None:
        assert f"of {images:,} images of {classes:,} classes, which is chance" in warning
        assert "--preprocess" in warning
        assert "--classes" in warning


def test_an_export_says_that_its_float_network_is_at_chance() -> None:
    manifest, _ = contents()
    accuracy = {"data": "x", "images": 3000, "fp32": 0.334, "int8": 0.33}
    judged = replace(manifest, provenance={"accuracy": accuracy})
    assert "33.4% of 3,000 images of 3 classes" in str(chance_of_export(judged))
    assert chance_of_export(manifest) is None


def test_a_data_set_of_other_classes_is_refused() -> None:
    birds = ClassNames(10, tuple(f"bird {letter}" for letter in "abcdefghij"))
    for names in (ClassNames(1000, ("tench", "goldfish")), ClassNames(7), birds):
        with pytest.raises(DataUnreadable, match=r"mnist has 10 classes \(0, 1, 2 and 7 more\)"):
            names.of_data_set(DIGITS, "mnist")


def test_a_data_set_of_its_classes_is_numbered() -> None:
    generic = ClassNames(10, tuple(f"class {number}" for number in range(10)))
    mapped = ClassNames(20, ("a", "b"), {name: 10 + at for at, name in enumerate(DIGITS)})
    for names, first in ((generic, 0), (ClassNames(10), 0), (ClassNames(10, DIGITS), 0)):
        assert names.of_data_set(DIGITS, "mnist")[0][0] == first
    assert mapped.of_data_set(DIGITS, "mnist")[0][0] == 10


def test_a_baseline_for_other_classes_is_refused() -> None:
    own = ClassNames(2, ("cat", "dog"))
    own.refuse_others(ClassNames(2, ("Dog", "horse")), "a.edge", "b.edge")
    own.refuse_others(ClassNames(2), "a.edge", "b.edge")
    with pytest.raises(NotAClassifier, match=r"b.edge has 3 classes, a.edge 2"):
        own.refuse_others(ClassNames(3), "a.edge", "b.edge")
    with pytest.raises(NotAClassifier, match=r"has the classes oak, elm, a.edge cat, dog"):
        own.refuse_others(ClassNames(2, ("oak", "elm")), "a.edge", "b.edge")


def test_a_baseline_of_another_input_is_named(bundle: Path, tmp_path: Path) -> None:
    manifest, files = contents()
    assert manifest.preprocess is not None
    wide = replace(manifest.inputs[0], shape=(None, 3, 4, 8))
    other = replace(
        manifest,
        inputs=(wide,),
        preprocess=replace(manifest.preprocess, resize=(4, 8)),
        golden=(),
    )
    files = {name: content for name, content in files.items() if "golden" not in name}
    write_bundle(tmp_path / "wide.edge", other, files)
    assert unlike_baseline(bundle, bundle) is None
    assert unlike_baseline(bundle, tmp_path / "none.edge") is None
    warning = unlike_baseline(bundle, tmp_path / "wide.edge")
    assert warning is not None
    assert "reads 3x4x4 and answers 3" in warning
    assert "reads 3x4x8 and answers 3" in warning
