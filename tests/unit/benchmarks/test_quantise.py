"""Quantisation benchmarks: split of photographs, planted outliers, SQNR of an image, peers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.quantise.imagenet import Answers
from benchmarks.quantise.outliers import plant
from benchmarks.quantise.photographs import calibrating, judging
from benchmarks.quantise.quantisers import Quantiser, available, make_each
from edgecnn_runtime.arrays import UInt8


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Class a with the grey levels 0 to 4, class b with 10 to 12."""
    for name, levels in (("a", range(5)), ("b", range(10, 13))):
        (tmp_path / name).mkdir()
        for level in levels:
            image = np.full((4, 4, 3), level, np.uint8)
            Image.fromarray(image).save(tmp_path / name / f"{level:02}.png")
    return tmp_path


def level(image: UInt8) -> int:
    return int(image[0, 0, 0])


def test_even_files_of_each_class_calibrate_in_turn_and_odd_ones_judge(folder: Path) -> None:
    assert [level(image) for image in calibrating(folder, 100)] == [0, 10, 2, 12, 4]
    assert [level(image) for image in calibrating(folder, 3)] == [0, 10, 2]
    assert {each.name: level(each.image) for each in judging(folder)} == {
        "a/01.png": 1,
        "a/03.png": 3,
        "b/11.png": 11,
    }


def test_planted_outliers_take_their_share_and_are_the_same_every_time() -> None:
    generator = np.random.default_rng(1)
    images = [generator.integers(60, 200, (8, 8, 3), np.uint8) for _ in range(50)]
    planted = plant(images, 0.2)
    changed = [a for a, b in zip(planted, images, strict=True) if a is not b]
    assert len(changed) == 10
    assert len({image.tobytes() for image in changed if np.ptp(image) == 0}) == 2, "white, black"
    assert all(np.array_equal(a, b) for a, b in zip(planted, plant(images, 0.2), strict=True))


def test_sqnr_of_an_image_is_about_the_mean_of_its_own_classes() -> None:
    expected = np.array([[101, 99], [103, 97]], np.float32)
    actual = np.array([[101, 98], [103.5, 97.5]], np.float32)
    # Signals 1² + 1² and 3² + 3², noises 1² and 0.5² + 0.5².
    assert Answers(expected, actual).image_db == pytest.approx(10 * np.log10([2, 36]))


def test_what_is_not_installed_is_left_out_with_a_line_how_to_get_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    here = identity("here", "numpy")
    gone = [identity(name, "edgecnn_no_such.module") for name in ("fast", "full")]
    assert available((here, *gone)) == (here,)
    assert capsys.readouterr().out == "fast, full left out, not installed: pip install it\n"


def test_a_quantiser_that_fails_is_reported_and_the_others_go_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no such\noperator")

    broken = Quantiser("broken", fail, lambda *_: lambda batch: batch)
    (made,) = make_each((broken, identity("sound", "numpy")), b"", [])
    assert made.name == "sound"
    assert capsys.readouterr().out == "broken failed: RuntimeError: no such operator\n"


def identity(name: str, module: str) -> Quantiser:
    """A quantiser that changes nothing."""
    return Quantiser(
        name, lambda *_: None, lambda _: lambda batch: batch, (module,), "pip install it"
    )
