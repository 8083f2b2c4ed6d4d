"""Folders of images: their layouts, their pixels, their faults."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from edgecnn.data.class_folders import FORMATS
from edgecnn.errors import DataUnreadable
from edgecnn.train.augment import Augmenter
from edgecnn.train.data import open_dataset
from edgecnn.train.dataset import Dataset, Split
from edgecnn.train.folder import ImageFiles, load_folder
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.image.preprocess import preprocess

SMALL = (3, 8, 8)
LARGE = (3, 70, 84)


def photograph(seed: int, height: int = 12, width: int = 10) -> Image.Image:
    array = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(array)


def fill(folder: Path, names: Iterable[str], first: int = 0, **size: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names, first):
        photograph(seed, **size).save(folder / name)


def numbered(count: int) -> list[str]:
    return [f"{index:03}.png" for index in range(count)]


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """Two cats and three dogs to train with, and one of each to test."""
    path = tmp_path / "animals"
    fill(path / "train" / "cat", numbered(2))
    fill(path / "train" / "dog", numbered(3), 10)
    fill(path / "test" / "cat", numbered(1), 20)
    fill(path / "test" / "dog", numbered(1), 30)
    return path


def opened(path: Path, shape: tuple[int, int, int] = SMALL, seed: int = 0) -> Dataset:
    return load_folder(path, shape, is_strict=False, seed=seed)


def refusal(path: Path, *, is_strict: bool = False) -> str:
    with pytest.raises(DataUnreadable) as caught:
        load_folder(path, SMALL, is_strict=is_strict, seed=0)
    message = str(caught.value)
    assert "\n" not in message
    return message


def files(split: Split) -> list[Path]:
    assert isinstance(split.images, ImageFiles)
    return list(split.images.paths)


def everything(split: Split) -> np.ndarray:
    return split.images.read(np.arange(len(split))).numpy()


# Layouts


def test_train_and_test_folders_are_read_class_by_class_in_the_order_of_names(
    animals: Path,
) -> None:
    found = open_dataset(str(animals), SMALL, is_strict=False, seed=0, quiet=True)
    assert (found.name, found.labels, found.notes) == ("animals", ("cat", "dog"), ())
    assert found.train.labels.tolist() == [0, 0, 1, 1, 1]
    assert found.train.labels.dtype == np.int64
    assert found.test.labels.tolist() == [0, 1]
    assert [path.parent.name for path in files(found.train)] == ["cat"] * 2 + ["dog"] * 3
    assert len(found.train) == len(found.train.images) == 5


@pytest.mark.parametrize("name", ["test", "val", "valid", "validation"])
def test_every_usual_name_of_a_test_folder_is_known(animals: Path, name: str) -> None:
    (animals / "test").rename(animals / name)
    found = opened(animals)
    assert (len(found.train), len(found.test), found.notes) == (5, 2, ())


def test_of_two_test_folders_the_second_is_left_out_and_said(animals: Path) -> None:
    fill(animals / "val" / "cat", numbered(4))
    found = opened(animals)
    assert len(found.test) == 2
    assert found.notes == ("left out, being no images of a class: val",)


@pytest.mark.parametrize("parts", [(), ("train",)])
def test_without_a_test_folder_a_tenth_of_each_class_is_held_out(
    tmp_path: Path, parts: tuple[str, ...]
) -> None:
    fill(tmp_path.joinpath(*parts, "few"), numbered(4))
    fill(tmp_path.joinpath(*parts, "many"), numbered(30), 10)
    fill(tmp_path.joinpath(*parts, "single"), numbered(1), 50)
    found = opened(tmp_path)
    assert np.bincount(found.train.labels).tolist() == [3, 27, 1]
    assert np.bincount(found.test.labels, minlength=3).tolist() == [1, 3, 0]
    assert not set(files(found.train)) & set(files(found.test))
    (note,) = found.notes
    assert "no folder test/; 4 of its 35 images" in note


def test_the_seed_chooses_what_is_held_out(tmp_path: Path) -> None:
    for name in ("a", "b"):
        fill(tmp_path / name, numbered(40))
    first, again, other = (files(opened(tmp_path, seed=seed).test) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    # No two classes hold out the same numbers.
    assert {path.name for path in first[:4]} != {path.name for path in first[4:]}


def test_classes_may_be_called_train_and_valid(tmp_path: Path) -> None:
    for name in ("plane", "train", "valid"):
        fill(tmp_path / name, numbered(3))
    assert opened(tmp_path).labels == ("plane", "train", "valid")


def test_every_format_is_read_whatever_the_case_of_its_name(tmp_path: Path) -> None:
    fill(tmp_path / "a", [f"{index}.{name}" for index, name in enumerate(FORMATS)])
    fill(tmp_path / "b", [f"{index}.{name.upper()}" for index, name in enumerate(FORMATS)])
    found = opened(tmp_path)
    assert len(found.train) + len(found.test) == 2 * len(FORMATS)
    assert len(found.notes) == 1


def test_hidden_files_and_folders_are_ignored(animals: Path) -> None:
    (animals / ".git").mkdir()
    (animals / "train" / ".cache").mkdir()
    (animals / "train" / "cat" / "._000.png").write_bytes(b"resource fork")
    assert opened(animals).notes == ()


def test_what_is_no_image_is_left_out_and_named(animals: Path) -> None:
    (animals / "README.txt").touch()
    (animals / "train" / "list.csv").touch()
    (animals / "train" / "cat" / "old").mkdir()
    (animals / "test" / "dog" / "notes.txt").touch()
    assert opened(animals).notes == (
        "left out, being no images of a class: README.txt, train/list.csv, train/cat/old "
        "and 1 more",
    )


# Pixels


@pytest.mark.parametrize(
    ("shape", "resize", "crop"),
    [
        ((3, 224, 224), 256, (224, 224)),
        ((3, 96, 128), 110, (96, 128)),
        ((1, 160, 160), 183, (160, 160)),
        ((3, 64, 64), (64, 64), None),
        ((1, 32, 48), (32, 48), None),
    ],
)
def test_the_deployed_preprocessing_is_imagenets_and_small_inputs_see_the_whole_image(
    animals: Path,
    shape: tuple[int, int, int],
    resize: int | tuple[int, int],
    crop: tuple[int, int] | None,
) -> None:
    found = opened(animals, shape).preprocess
    assert (found.resize, found.crop, found.filter) == (resize, crop, "bilinear")
    if shape[0] == 3:
        assert (found.colour, found.mean) == ("RGB", (0.485, 0.456, 0.406))
    else:
        assert (found.colour, found.mean, found.std) == ("L", (0.449,), (0.226,))


@pytest.mark.parametrize("size", [(300, 200), (90, 400), (80, 80), (20, 30)])
@pytest.mark.parametrize("shape", [LARGE, (1, 96, 96), SMALL, (1, 20, 40)])
def test_a_test_image_is_seen_as_the_device_sees_it(
    animals: Path, shape: tuple[int, int, int], size: tuple[int, int]
) -> None:
    """Whatever its size: larger or smaller than the input, upright or wide."""
    fill(animals / "test" / "cat", numbered(1), height=size[0], width=size[1])
    found = opened(animals, shape)
    x = Augmenter(found.preprocess, shape[1:], (), torch.zeros(3, 3))(
        found.test.images.read(np.array([0])), None
    )
    deployed = preprocess(load_image(animals / "test" / "cat" / "000.png"), found.preprocess)
    assert x.shape == deployed.shape == (1, *shape)
    np.testing.assert_allclose(x.numpy(), deployed, rtol=0, atol=1e-6)


def test_a_training_image_has_a_margin_of_one_in_seven_and_pillows_pixels(animals: Path) -> None:
    fill(animals / "train" / "cat", ["000.png"], height=320, width=200)
    found = opened(animals, (3, 70, 70))
    # Shorter side 80, by Pillow itself; 128 rows, of which the middle 80 are rows 24 to 103.
    expected = photograph(0, 320, 200).resize((80, 128), Image.Resampling.BILINEAR)
    batch = found.train.images.read(np.array([0]))
    assert batch.dtype == torch.uint8
    np.testing.assert_array_equal(batch[0], np.asarray(expected)[24:104])


def test_a_small_training_image_has_no_margin(animals: Path) -> None:
    expected = photograph(11).resize((8, 8), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(everything(opened(animals).train)[3], np.asarray(expected))


def test_images_come_in_the_order_of_the_indices(animals: Path) -> None:
    train = opened(animals).train
    whole = everything(train)
    indices = np.array([4, 0, 0, 3])
    np.testing.assert_array_equal(train.images.read(indices), whole[indices])


def test_a_turned_photograph_stands_upright(animals: Path) -> None:
    exif = Image.Exif()
    exif[274] = 3  # upside down: EXIF 2.32, tag 274
    photograph(0, 8, 8).save(animals / "test" / "cat" / "000.png", exif=exif.tobytes())
    turned = np.asarray(photograph(0, 8, 8))[::-1, ::-1]
    np.testing.assert_array_equal(everything(opened(animals).test)[0], turned)


def test_a_network_of_five_channels_reads_no_images(animals: Path) -> None:
    with pytest.raises(DataUnreadable, match="reads 5 channels; images have 1 or 3"):
        opened(animals, (5, 8, 8))


# Broken images


def break_three(animals: Path) -> None:
    train = animals / "train" / "dog"
    content = (train / "001.png").read_bytes()
    (train / "001.png").write_bytes(content[: len(content) // 2])
    (train / "text.jpg").write_text("not the pixels that you are looking for")
    (animals / "train" / "cat" / "empty.gif").touch()


def test_broken_images_are_left_out_and_named(animals: Path) -> None:
    break_three(animals)
    found = opened(animals)
    assert found.train.labels.tolist() == [0, 0, 1, 1]
    assert everything(found.train).shape == (4, 8, 8, 3)
    (note,) = found.notes
    assert note.startswith(
        "3 of 9 images cannot be read; left out: train/cat/empty.gif, train/dog/001.png, "
        "train/dog/text.jpg; the first: "
    )


def test_strictly_a_broken_image_is_an_error(animals: Path) -> None:
    break_three(animals)
    message = refusal(animals, is_strict=True)
    assert "3 of 9 images cannot be read: train/cat/empty.gif, train/dog/001.png" in message


def test_strictly_sound_images_are_read(animals: Path) -> None:
    assert len(load_folder(animals, SMALL, is_strict=True, seed=0).train) == 5


def test_a_link_to_nowhere_and_a_pipe_are_broken_images(animals: Path) -> None:
    (animals / "train" / "cat" / "link.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(animals / "train" / "cat" / "pipe.jpg")
    found = opened(animals)
    assert len(found.train) == 5
    assert "2 of 9 images cannot be read" in found.notes[0]


def test_an_image_that_inflates_too_far_is_broken_and_a_large_one_is_no_noise(
    animals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Pillow raises beyond twice its limit, and warns beyond once: the others have 120 pixels.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    fill(animals / "train" / "cat", ["bomb.png"], height=11, width=20)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = opened(animals)
        assert len(everything(found.train)) == 5
    assert said == []
    assert "1 of 8 images cannot be read; left out: train/cat/bomb.png" in found.notes[0]
    assert "more pixels than Pillow trusts" in found.notes[0]


def test_a_class_whose_images_are_all_broken_is_an_error(animals: Path) -> None:
    (animals / "test" / "dog" / "000.png").write_bytes(b"")
    message = refusal(animals)
    assert "class dog has no image in " in message
    assert "that can be read, of 1" in message


def test_an_image_that_goes_away_while_training_is_named(animals: Path) -> None:
    found = opened(animals)
    gone = animals / "train" / "dog" / "001.png"
    gone.unlink()
    with pytest.raises(DataUnreadable, match=r"dog/001\.png.*sound when the training began"):
        everything(found.train)


# Folders that are none


def test_a_name_that_is_neither_a_data_set_nor_a_folder_is_answered_with_both() -> None:
    with pytest.raises(DataUnreadable, match=r"'cifar-10'; there are mnist.* or give a folder"):
        open_dataset("cifar-10", SMALL, is_strict=False, seed=0, quiet=True)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "x.zip").touch()
    assert "x.zip cannot be read: Not a directory" in refusal(tmp_path / "x.zip")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_named(animals: Path) -> None:
    locked = animals / "train" / "dog"
    locked.chmod(0)
    try:
        assert "dog cannot be read: Permission denied" in refusal(animals)
    finally:
        locked.chmod(0o755)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    assert "holds no folders; expected one folder of images for each class" in refusal(tmp_path)


def test_images_without_class_folders_are_an_error(tmp_path: Path) -> None:
    fill(tmp_path, numbered(3))
    assert "holds 3 images but no folders; expected one folder" in refusal(tmp_path)


def test_images_right_in_train_and_test_are_no_classes(tmp_path: Path) -> None:
    fill(tmp_path / "train", numbered(3))
    fill(tmp_path / "test", numbered(2))
    assert "train holds 3 images but no folders" in refusal(tmp_path)


def test_a_single_class_is_an_error(tmp_path: Path) -> None:
    fill(tmp_path / "cat", numbered(3))
    assert "has only one class, cat; expected the folders of two or more" in refusal(tmp_path)


def test_a_class_without_images_is_an_error(animals: Path) -> None:
    (animals / "train" / "bird" / "more").mkdir(parents=True)
    message = refusal(animals)
    assert "class bird has no images" in message
    assert "holds 1 folders and 0 other files" in message


def test_test_classes_that_training_does_not_have_are_named(animals: Path) -> None:
    fill(animals / "test" / "wolf", numbered(1))
    assert "has classes that" in (message := refusal(animals))
    assert message.endswith("has not: wolf; both need the same folders")


def test_training_classes_without_test_images_are_named(animals: Path) -> None:
    for name in ("emu", "fox", "gnu", "owl", "yak"):
        fill(animals / "train" / name, numbered(1))
    assert refusal(animals).endswith(
        "has not: emu, fox, gnu and 2 more; both need the same folders"
    )


def test_one_image_a_class_is_too_few(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        fill(tmp_path / name, numbered(1))
    assert "has one image a class, too few to hold any out" in refusal(tmp_path)


def test_a_class_whose_name_breaks_the_list_of_labels_is_refused(tmp_path: Path) -> None:
    for name in ("cat", "d\nog"):
        fill(tmp_path / name, numbered(2))
    assert r"d\nog' has a name that is not a line of text" in refusal(tmp_path)
