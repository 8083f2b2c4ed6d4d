from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecnn.data.pictures import PHOTOGRAPHS
from edgecnn.errors import DataUnreadable
from edgecnn.exporting.calibration import likely_data, open_calibration
from edgecnn.exporting.quantise import fresh_samples
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.tensor_spec import TensorSpec

SPEC = TensorSpec("input", "float32", (None, 3, 8, 8))
UNIT = Preprocess("RGB", (8, 8), "bilinear", None, 1 / 255, (0.0,) * 3, (1.0,) * 3)


def picture(path: Path, grey: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((10, 12, 3), grey, np.uint8)).save(path)


def test_images_of_a_folder_and_those_below_it_are_prepared_as_the_app_does(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 51)
    picture(tmp_path / "cats" / "b.png", 102)
    (tmp_path / "notes.txt").write_text("no image")
    found = open_calibration(str(tmp_path), SPEC, UNIT, 128)
    with found.samples as samples:
        means = [float(sample.mean()) for sample in samples]
        assert samples.shape == (1, 3, 8, 8)
    np.testing.assert_allclose(means, [0.2, 0.4], atol=1e-3)
    assert "2 images: enough to try" in found.notes[-1]


def test_so_many_are_drawn_and_the_same_ones_every_time(tmp_path: Path) -> None:
    for grey in range(40):
        picture(tmp_path / f"{grey:02}.png", grey)
    drawn = []
    for _ in range(2):
        with open_calibration(str(tmp_path), SPEC, UNIT, 10).samples as samples:
            drawn.append([round(float(sample.mean()) * 255) for sample in samples])
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 10


def test_a_broken_image_is_named_and_left_out(tmp_path: Path) -> None:
    picture(tmp_path / "good.png", 51)
    (tmp_path / "bad.png").write_bytes(b"no picture")
    found = open_calibration(str(tmp_path), SPEC, UNIT, 128)
    assert len(found.samples) == 1
    assert "1 of 2 images cannot be read, left out: bad.png" in found.notes[0]
    found.samples.close()


def test_an_npz_of_images_or_of_inputs(tmp_path: Path) -> None:
    np.savez(tmp_path / "images.npz", np.full((5, 10, 10, 3), 51, np.uint8))
    np.savez(tmp_path / "inputs.npz", np.full((5, 3, 8, 8), 0.2, np.float32))
    for name in ("images.npz", "inputs.npz"):
        with open_calibration(str(tmp_path / name), SPEC, UNIT, 4).samples as samples:
            assert len(samples) == 4
            np.testing.assert_allclose(np.concatenate(list(samples)), 0.2, atol=1e-3)


def test_a_fixed_batch_is_filled(tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", np.zeros((5, 3, 8, 8), np.float32))
    spec = TensorSpec("input", "float32", (2, 3, 8, 8))
    with open_calibration(str(tmp_path / "inputs.npz"), spec, UNIT, 128).samples as samples:
        assert [sample.shape[0] for sample in samples] == [2, 2]


def test_photographs_are_always_there() -> None:
    found = open_calibration(PHOTOGRAPHS, SPEC, UNIT, 128)
    assert len(found.samples) == 32
    found.samples.close()


def test_a_network_is_calibrated_with_what_it_was_trained_on(tmp_path: Path) -> None:
    assert likely_data("cifar10") == "cifar10"
    assert likely_data(str(tmp_path)) == str(tmp_path)
    assert likely_data("/no/longer/there") == PHOTOGRAPHS
    assert likely_data(None) == PHOTOGRAPHS


def test_what_cannot_calibrate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "two.npz", np.zeros(3), np.zeros(3))
    np.savez(tmp_path / "flat.npz", np.zeros((3, 7), np.float32))
    np.savez(tmp_path / "text.npz", np.array(["a"]))
    (tmp_path / "broken.npz").write_bytes(b"PK")
    for data, said in (
        ("nothing", "not a folder, not an .npz and none of mnist"),
        (str(tmp_path / "empty"), "holds no images"),
        (str(tmp_path / "two.npz"), "holds 2 arrays, expected one"),
        (str(tmp_path / "flat.npz"), "the network reads input float32 Nx3x8x8"),
        (str(tmp_path / "text.npz"), "expected images"),
        (str(tmp_path / "broken.npz"), "not a readable .npz"),
        (str(tmp_path / "missing.npz"), "not a readable .npz"),
    ):
        with pytest.raises(DataUnreadable, match=said):
            open_calibration(data, SPEC, UNIT, 128)


def test_images_need_a_preprocessing(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 51)
    with pytest.raises(DataUnreadable, match="no preprocessing"):
        open_calibration(str(tmp_path), SPEC, None, 128)


def test_a_folder_with_the_name_of_a_set_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / PHOTOGRAPHS).mkdir()
    monkeypatch.chdir(tmp_path)
    found = open_calibration(PHOTOGRAPHS, SPEC, UNIT, 128)
    with found.samples:
        pass
    assert found.notes[0] == (
        "'photographs' is edgecnn's own set, not the folder of that name here: that is "
        "./photographs"
    )


def test_other_images_of_the_folder_are_fresh_and_keep_their_names(tmp_path: Path) -> None:
    for grey in range(40):
        picture(tmp_path / f"{grey % 2}" / f"{grey:02}.png", grey)
    with open_calibration(str(tmp_path), SPEC, UNIT, 10, 8) as found:
        assert found.fresh is not None
        greys = [
            [round(float(sample.mean()) * 255) for sample in samples]
            for samples in (found.samples, found.fresh)
        ]
        assert [len(each) for each in greys] == [10, 8]
        assert not set(greys[0]) & set(greys[1])
        assert list(found.fresh.names) == [f"{g % 2}/{g:02}.png" for g in greys[1]]


def test_without_others_nothing_is_fresh(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 51)
    np.savez(tmp_path / "inputs.npz", np.zeros((5, 3, 8, 8), np.float32))
    spec = TensorSpec("input", "float32", (2, 3, 8, 8))
    for data, form, count in ((tmp_path, SPEC, 128), (tmp_path / "inputs.npz", spec, 4)):
        with open_calibration(str(data), form, UNIT, count, 32) as found:
            assert found.fresh is None


@pytest.mark.parametrize(("limit", "count"), [(None, 32), (0.5, 32), (0.98, 4 * 189)])
def test_a_limit_draws_four_times_the_samples_that_could_show_it(
    limit: float | None, count: int
) -> None:
    assert fresh_samples(limit) == count
