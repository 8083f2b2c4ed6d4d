"""Data sets as arrays: small ones of the same form, and the real ones."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecnn.data import load, read_idx
from edgecnn.errors import DataUnreadable
from edgecnn.fetch.catalogue import Asset, File


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache"
    # pytest keeps the folders of three runs, and data sets are large.
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)


def idx(*shape: int, values: bytes) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + values


def placed(cache: Path, name: str, contents: dict[str, bytes]) -> dict[str, Asset]:
    """A catalogue of one asset that lies in the cache already."""
    files = tuple(
        File(file, len(content), hashlib.sha256(content).hexdigest(), ())
        for file, content in contents.items()
    )
    asset = Asset(name, files, "CC0", "a test")
    folder = cache / asset.folder_name
    folder.mkdir(parents=True)
    for file, content in contents.items():
        (folder / file).write_bytes(content)
    return {name: asset}


def test_an_idx_file_is_read_row_by_row(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(idx(2, 1, 3, values=bytes([1, 2, 3, 4, 5, 255])))
    found = read_idx(tmp_path / "x")
    assert found.dtype == np.uint8
    assert found.tolist() == [[[1, 2, 3]], [[4, 5, 255]]]
    found[0] = 0  # the caller's own


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "begins with nothing, expected 00 00 08"),
        (b"\0\0\x08", "expected 00 00 08 and a rank"),
        (b"\x1f\x8b\x08\x08" + bytes(20), "1f 8b 08 08.*unpack it"),
        (b"\0\0\x0d\x01" + bytes(8), "not an idx file of uint8"),
        (b"\0\0\x08\0", "a rank of 1 or more"),
        (b"\0\0\x08\x03" + bytes(11), "ends after 15 bytes, within its sizes"),
        (idx(2, 2, values=b"123"), r"holds 3 values, its shape \(2, 2\) says 4"),
        (idx(2, 2, values=b"12345"), "holds 5 values"),
        (idx(*[2**32 - 1] * 9, values=b""), "holds 0 values"),
    ],
)
def test_what_is_no_sound_idx_file_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataUnreadable, match=reason):
        read_idx(tmp_path / "x")


def test_an_idx_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataUnreadable, match="absent: No such file"):
        read_idx(tmp_path / "absent")


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_grey_images_have_one_channel(cache: Path, name: str) -> None:
    known = placed(
        cache,
        name,
        {
            "train-images-idx3-ubyte": idx(2, 2, 3, values=bytes(range(12))),
            "train-labels-idx1-ubyte": idx(2, values=bytes([7, 9])),
            "t10k-images-idx3-ubyte": idx(1, 2, 3, values=bytes(range(6))),
            "t10k-labels-idx1-ubyte": idx(1, values=bytes([3])),
        },
    )
    images, labels = load(name, "train", catalogue=known)
    assert (images.shape, images.dtype) == ((2, 2, 3, 1), np.uint8)
    assert images[1, 1, :, 0].tolist() == [9, 10, 11]
    assert (labels.dtype, labels.tolist()) == (np.int64, [7, 9])
    images, labels = load(name, "test", catalogue=known)
    assert (len(images), labels.tolist()) == (1, [3])


def test_every_row_of_cifars_pictures_is_an_image(cache: Path, tmp_path: Path) -> None:
    contents = {
        "train_lables.json": json.dumps([0, 1, 2, 3, 4]).encode(),
        "test_lables.json": b"[5]",
    }
    names = [f"data_batch_{batch}.png" for batch in range(1, 6)] + ["test_batch.png"]
    for at, name in enumerate(names):
        row = np.zeros((1, 1024, 3), np.uint8)
        row[0, 32 * 2 + 1] = (at, 20, 30)  # the pixel in row 2, column 1
        Image.fromarray(row).save(tmp_path / name)
        contents[name] = (tmp_path / name).read_bytes()
    known = placed(cache, "cifar10", contents)
    images, labels = load("cifar10", "train", catalogue=known)
    assert (images.shape, images.dtype) == ((5, 32, 32, 3), np.uint8)
    assert images[3, 2, 1].tolist() == [3, 20, 30]
    assert images[3].sum() == 53
    assert (labels.dtype, labels.tolist()) == (np.int64, [0, 1, 2, 3, 4])
    images, labels = load("cifar10", "test", catalogue=known)
    assert (images[0, 2, 1, 0], labels.tolist()) == (5, [5])


def test_images_and_labels_that_do_not_pair_are_refused(cache: Path) -> None:
    known = placed(
        cache,
        "mnist",
        {
            "train-images-idx3-ubyte": idx(1, 1, 1, values=b"1"),
            "train-labels-idx1-ubyte": idx(2, values=b"12"),
        },
    )
    with pytest.raises(DataUnreadable, match="mnist train has 1 images and 2 labels"):
        load("mnist", "train", catalogue=known)


def test_a_name_or_split_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(DataUnreadable, match="'cifar100'; there are mnist, fashion-mnist, cifar10"):
        load("cifar100", "train")
    with pytest.raises(DataUnreadable, match="no split 'val'; it has train and test"):
        load("mnist", "val")


@pytest.mark.network
def test_mnist_is_what_its_authors_say() -> None:
    """Counts of the data set's page; mean and deviation as everyone normalises by them."""
    images, labels = load("mnist", "train", quiet=True)
    assert images.shape == (60_000, 28, 28, 1)
    assert np.bincount(labels)[:3].tolist() == [5923, 6742, 5958]
    assert images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert images.std() / 255 == pytest.approx(0.3081, abs=5e-5)
    images, labels = load("mnist", "test", quiet=True)
    assert (len(images), len(labels)) == (10_000, 10_000)


@pytest.mark.matrix
@pytest.mark.network
def test_cifar10_is_what_its_author_says() -> None:
    """6,000 images a class, and the means as everyone normalises by them."""
    images, labels = load("cifar10", "train", quiet=True)
    assert images.shape == (50_000, 32, 32, 3)
    assert np.bincount(labels).tolist() == [5000] * 10
    means = images.mean(axis=(0, 1, 2)) / 255
    assert means == pytest.approx([0.4914, 0.4822, 0.4465], abs=5e-5)
    images, labels = load("cifar10", "test", quiet=True)
    assert np.bincount(labels).tolist() == [1000] * 10
