from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import contents, red_image
from PIL import Image

import edgecnn_runtime
from edgecnn.errors import DataUnreadable
from edgecnn.verify.preprocess.certify import WayCost, certify
from edgecnn.verify.preprocess.pictures import FEW, verification_images
from edgecnn.verify.preprocess.ways import WAYS, Way
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.errors import NotAClassifier
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.install_hint import install_hint
from edgecnn_runtime.tensor_spec import TensorSpec


def green_image() -> np.ndarray:
    return np.roll(red_image(), 1, axis=-1)


def certified(bundle: Path, *pictures: np.ndarray) -> dict[str, WayCost]:
    with edgecnn_runtime.open(bundle, engine="fake") as session:
        return {row.way: row for row in certify(session, pictures)}


def test_what_is_the_same_costs_nothing(bundle: Path) -> None:
    cost = certified(bundle, red_image(), green_image())["Pillow bilinear"].cost
    assert cost is not None
    assert cost.largest_levels < 1e-3
    assert (cost.agreed, cost.n) == (2, 2)
    assert cost.sqnr_db > 120


def test_reversed_colours_cost_the_red_image_but_not_the_green_one(bundle: Path) -> None:
    cost = certified(bundle, red_image(), green_image())["BGR for RGB"].cost
    assert cost is not None
    # Of the red one, 200 grey levels in two of three channels; of the green one, nothing.
    assert cost.largest_levels == pytest.approx(200, rel=1e-5)
    assert cost.mean_levels == pytest.approx(200 * 2 / 3 / 2, rel=1e-5)
    assert (cost.agreed, cost.n) == (1, 2)
    assert cost.interval[0] < 0.5 < cost.interval[1]
    # Scores are 2 x + 1, and x is 200 / 255 for the brightest channel.
    bright = 2 * 200 / 255 + 1
    signal, noise = 2 * (bright**2 + 2), 2 * (bright - 1) ** 2
    assert cost.sqnr_db == pytest.approx(10 * math.log10(signal / noise), rel=1e-4)


def test_every_way_has_its_row_and_those_without_cost_a_reason(bundle: Path) -> None:
    rows = certified(bundle, red_image())
    assert list(rows) == [way.name for way in WAYS]
    for row in rows.values():
        assert (row.cost is None) == bool(row.note)
    assert rows["squashed"].note == "not applicable: the bundle crops nothing"


def test_a_way_whose_package_is_missing_is_skipped_and_says_how_to_get_it(bundle: Path) -> None:
    way = Way("far", "no_such_module.resize", preprocess, lambda spec: "", "no_such_module", "far")
    with edgecnn_runtime.open(bundle, engine="fake") as session:
        (row,) = certify(session, [red_image()], ways=[way])
    assert row.cost is None
    assert row.note == f"skipped: not installed, {install_hint('far')}"


def test_a_bundle_without_preprocessing_is_refused(tmp_path: Path) -> None:
    manifest, files = contents()
    path = tmp_path / "plain.edge"
    write_bundle(path, replace(manifest, preprocess=None), files)
    with pytest.raises(NotAClassifier, match="no preprocessing, and nothing can be compared"):
        certified(path, red_image())


def test_a_bundle_that_is_no_classifier_is_refused(bundle: Path) -> None:
    with edgecnn_runtime.open(bundle, engine="fake") as session:
        maps = (TensorSpec("logits", "float32", (None, 3, 4, 4)),)
        session.manifest = replace(session.manifest, outputs=maps)
        with pytest.raises(NotAClassifier, match="one score for each class"):
            certify(session, [red_image()])


def test_pictures_are_the_photographs_or_whatever_lies_below_a_folder(tmp_path: Path) -> None:
    assert len(verification_images(None, 256, quiet=True)) == FEW
    assert len(verification_images(None, 3, quiet=True)) == 3
    (tmp_path / "a/b").mkdir(parents=True)
    for name in ("a/1.png", "a/b/2.png", "3.png"):
        Image.fromarray(red_image()).save(tmp_path / name)
    assert len(verification_images(str(tmp_path), 256, quiet=True)) == 3
    assert len(verification_images(str(tmp_path), 2, quiet=True)) == 2
    with pytest.raises(DataUnreadable, match="--data nowhere is not a folder and none of mnist"):
        verification_images("nowhere", 256, quiet=True)
