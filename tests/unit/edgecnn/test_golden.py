"""Golden examples of the user's choice, from a folder of images or an ``.npz``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecnn.errors import DataUnreadable
from edgecnn.exporting.golden import open_golden
from edgecnn.model.preprocessing import choose_preprocess
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.tensor_spec import TensorSpec

SPEC = TensorSpec("x", "float32", (None, 3, 8, 8))
PREPARE = choose_preprocess("unit", (3, 8, 8))
PIXELS = np.random.default_rng(0).integers(0, 256, (10, 12, 12, 3), np.uint8)


def saved(folder: Path, array: Array) -> str:
    np.savez(folder / "mine.npz", array)
    return str(folder / "mine.npz")


def test_a_folder_gives_its_images_and_the_inputs_made_from_them(tmp_path: Path) -> None:
    for number, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    given = open_golden(str(tmp_path), SPEC, PREPARE)
    assert len(given.inputs) == len(given.images) == 8
    assert PREPARE is not None
    np.testing.assert_array_equal(given.inputs[:1], preprocess(given.images[0], PREPARE))


def test_inputs_of_an_npz_are_taken_as_they_are(tmp_path: Path) -> None:
    inputs = np.random.default_rng(0).random((3, 3, 8, 8))
    given = open_golden(saved(tmp_path, inputs), SPEC, None)
    np.testing.assert_allclose(given.inputs, inputs, rtol=1e-6)
    assert given.images == ()


@pytest.mark.parametrize(
    ("array", "batch", "said"),
    [
        (np.zeros((3, 3, 9, 9), np.float32), None, "makes inputs"),
        (np.full((3, 3, 8, 8), np.nan, np.float32), None, "NaN or infinity"),
        (np.zeros((3, 3, 8, 8), np.float32), 4, "fewer than one batch"),
        (PIXELS, None, "no preprocessing"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, array: Array, batch: int | None, said: str
) -> None:
    spec = TensorSpec("x", "float32", (batch, 3, 8, 8))
    with pytest.raises(DataUnreadable, match=said):
        open_golden(saved(tmp_path, array), spec, None)


def test_neither_a_folder_nor_an_npz_is_refused() -> None:
    with pytest.raises(DataUnreadable, match=r"not a folder of images and not an \.npz"):
        open_golden("nowhere", SPEC, PREPARE)
