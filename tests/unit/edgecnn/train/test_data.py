"""Named data sets for networks of other sizes and colours; labels that fit the classes."""

from __future__ import annotations

import functools
import hashlib
import json
import struct
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from edgecnn.data import load
from edgecnn.data.named import side_of
from edgecnn.errors import DataUnreadable
from edgecnn.fetch.catalogue import Asset, File
from edgecnn.train import data
from edgecnn.train.augment import Augmenter
from edgecnn.train.data import check_labels, open_dataset
from edgecnn.train.dataset import Dataset, InMemory, Split
from edgecnn.zoo import CIFAR, MNIST
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.image.preprocess import preprocess

GREY = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (6, 32, 32, 3), np.uint8)


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(np.uint8).tobytes()


def rows(images: np.ndarray) -> bytes:
    """A PNG whose every row is one image."""
    stream = BytesIO()
    Image.fromarray(images.reshape(len(images), -1, 3)).save(stream, "PNG")
    return stream.getvalue()


DIGITS = {
    "train-images-idx3-ubyte": idx(GREY[:2]),
    "train-labels-idx1-ubyte": idx(np.array([7, 9])),
    "t10k-images-idx3-ubyte": idx(GREY[2:]),
    "t10k-labels-idx1-ubyte": idx(np.array([3])),
}
OBJECTS = {f"data_batch_{index + 1}.png": rows(COLOUR[index : index + 1]) for index in range(5)} | {
    "test_batch.png": rows(COLOUR[5:]),
    "train_lables.json": json.dumps([0, 1, 2, 3, 4]).encode(),
    "test_lables.json": b"[9]",
}


@pytest.fixture(autouse=True)
def small_data_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data sets of a few images, in the cache already, under the names of the real ones."""
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    known = {}
    for name, contents in {"mnist": DIGITS, "fashion-mnist": DIGITS, "cifar10": OBJECTS}.items():
        files = tuple(
            File(file, len(content), hashlib.sha256(content).hexdigest(), ())
            for file, content in contents.items()
        )
        known[name] = Asset(name, files, "CC0", "a test")
        folder = tmp_path / "cache" / known[name].folder_name
        folder.mkdir(parents=True)
        for file, content in contents.items():
            (folder / file).write_bytes(content)
    monkeypatch.setattr(data, "load", functools.partial(load, catalogue=known))


def opened(name: str, shape: tuple[int, int, int]) -> Dataset:
    return open_dataset(name, shape, is_strict=False, seed=0, quiet=True)


def everything(split: Split) -> np.ndarray:
    return split.images.read(np.arange(len(split))).numpy()


def test_a_network_of_the_data_sets_own_size_reads_its_images_as_they_are() -> None:
    found = opened("mnist", (1, 28, 28))
    assert (found.name, found.preprocess, found.notes) == ("mnist", MNIST, ())
    assert found.labels == tuple("0123456789")
    np.testing.assert_array_equal(everything(found.train)[..., 0], GREY[:2])
    np.testing.assert_array_equal(everything(found.test)[..., 0], GREY[2:])
    assert found.train.labels.tolist() == [7, 9]
    assert found.test.labels.tolist() == [3]


def test_cifar10_is_read_in_its_colours() -> None:
    found = opened("cifar10", (3, 32, 32))
    assert (found.preprocess, found.notes) == (CIFAR, ())
    assert (found.labels[0], found.labels[9]) == ("airplane", "truck")
    np.testing.assert_array_equal(everything(found.train), COLOUR[:5])


def test_fashion_mnist_has_a_mean_and_names_of_its_own() -> None:
    found = opened("fashion-mnist", (1, 28, 28))
    assert (found.preprocess.mean, found.preprocess.std) == ((0.2860,), (0.3530,))
    assert (found.labels[0], found.labels[9]) == ("T-shirt/top", "ankle boot")


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 40, 48), (3, 17, 17)])
def test_images_of_another_size_or_colour_are_those_that_the_device_makes_of_them(
    name: str, shape: tuple[int, int, int]
) -> None:
    found = opened(name, shape)
    original = GREY[0] if name == "mnist" else COLOUR[0]
    deployed = preprocess(load_image(original), found.preprocess)
    x = Augmenter(found.preprocess, shape[1:], (), torch.zeros(3, 3))(
        found.train.images.read(np.array([0])), None
    )
    assert x.shape == deployed.shape == (1, *shape)
    np.testing.assert_allclose(x.numpy(), deployed, rtol=0, atol=1e-6)


def test_grey_levels_read_as_colour_have_the_same_statistics_in_each_channel() -> None:
    found = opened("mnist", (3, 32, 32))
    assert (found.preprocess.colour, found.preprocess.resize) == ("RGB", (32, 32))
    assert (found.preprocess.mean, found.preprocess.std) == ((0.1307,) * 3, (0.3081,) * 3)
    images = everything(found.train)
    np.testing.assert_array_equal(images[..., 0], images[..., 2])
    assert found.notes == (
        "mnist is 28×28; resized to 32×32",
        "mnist is made colour for this network",
    )


def test_colours_read_as_grey_have_their_mean() -> None:
    found = opened("cifar10", (1, 32, 32))
    assert found.preprocess.colour == "L"
    # (0.4914 + 0.4822 + 0.4465) / 3
    assert found.preprocess.mean == (0.4734,)
    assert found.notes == ("cifar10 is made grey for this network",)


def test_a_network_of_four_channels_reads_no_images() -> None:
    with pytest.raises(DataUnreadable, match="reads 4 channels; images have 1 or 3"):
        opened("cifar10", (4, 32, 32))


def test_the_side_of_a_folders_images_is_not_known() -> None:
    assert (side_of("mnist"), side_of("cifar10"), side_of("photographs/")) == (28, 32, None)


def test_images_in_memory_come_in_the_order_of_the_indices_and_as_copies() -> None:
    images = InMemory(COLOUR.copy())
    indices = np.array([4, 0, 4])
    batch = images.read(indices)
    assert len(images) == 6
    np.testing.assert_array_equal(batch, COLOUR[indices])
    batch.zero_()
    np.testing.assert_array_equal(images.array, COLOUR)


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("label", [-1, 10, 255])
def test_a_label_out_of_range_is_named_with_its_place(part: str, label: int) -> None:
    found = opened("cifar10", (3, 32, 32))
    labels = np.array([0, label, label], np.int64)
    split = Split(InMemory(COLOUR[:3]), labels)
    odd = replace(found, train=split) if part == "train" else replace(found, test=split)
    name = "training" if part == "train" else "test"
    with pytest.raises(DataUnreadable) as caught:
        check_labels(odd, 10)
    assert str(caught.value).startswith(
        f"cifar10: {name} image 1 has label {label}, expected 0 to 9 for 10 classes; "
        "2 labels are out of range, the largest needs --classes "
    )


def test_fewer_classes_than_the_data_has_are_refused_and_more_are_not() -> None:
    found = opened("mnist", (1, 28, 28))
    check_labels(found, 10)
    check_labels(found, 1000)
    with pytest.raises(DataUnreadable, match="label 9, expected 0 to 8 for 9 classes; 1 labels"):
        check_labels(found, 9)
