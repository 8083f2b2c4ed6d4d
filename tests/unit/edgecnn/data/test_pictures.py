from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecnn.data.pictures import SAMPLES, draw, find_images, is_image_source, read_npz
from edgecnn.errors import DataUnreadable


def test_the_images_below_a_folder_are_found_in_order_whatever_their_case(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for name in ("b.png", "below/a.JPG"):
        Image.new("L", (4, 4)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "folder.png").mkdir()
    assert is_image_source(str(tmp_path))
    assert find_images(str(tmp_path)) == [tmp_path / "b.png", tmp_path / "below/a.JPG"]


def test_names_of_data_sets_are_sources_of_pictures() -> None:
    assert all(is_image_source(name) for name in ("mnist", "fashion-mnist", "cifar10", SAMPLES))


def test_what_is_neither_a_name_nor_a_folder_of_images_is_refused(tmp_path: Path) -> None:
    assert not is_image_source("nothing")
    with pytest.raises(
        DataUnreadable, match=r"nothing is not a folder and none of mnist, .*samples$"
    ):
        find_images("nothing")
    with pytest.raises(DataUnreadable, match="holds no images"):
        find_images(str(tmp_path))


def test_an_npz_is_one_array_of_images_or_of_inputs(tmp_path: Path) -> None:
    images = np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3)
    for array in (images, np.ones((2, 5), np.float32)):
        np.savez(tmp_path / "one.npz", array)
        assert np.array_equal(read_npz(tmp_path / "one.npz"), array)
    for array in (np.ones((2, 5), np.uint8), np.ones((0, 5), np.float32)):
        np.savez(tmp_path / "one.npz", array)
        with pytest.raises(DataUnreadable, match="expected images"):
            read_npz(tmp_path / "one.npz")


def test_a_draw_is_sorted_without_repeats_and_the_same_every_time() -> None:
    chosen = draw(100, 10)
    assert chosen == sorted(set(chosen)) == draw(100, 10)
    assert len(chosen) == 10
    assert chosen != list(range(10))
    assert draw(3, 10) == [0, 1, 2]
