"""Images and inputs of the iterables that Python programs hold them in."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, TensorDataset

from edgecnn.data.iterables import labelled_values
from edgecnn.errors import DataUnreadable
from edgecnn_runtime.tensor_spec import TensorSpec

SPEC = TensorSpec("input", "float32", (None, 3, 8, 8))
INPUTS = np.random.default_rng(0).standard_normal((6, 3, 8, 8)).astype(np.float32)
LABELS = np.arange(6) % 3
GREY = np.random.default_rng(0).integers(0, 256, (6, 10, 12), np.uint8)
PICTURE = np.random.default_rng(0).integers(0, 256, (10, 12, 3), np.uint8)


def values(items: Any, **options: bool) -> list[Any]:
    return [each.value for each in labelled_values(items, SPEC, "calibrate", **options)]


def labels(items: Any) -> list[Any]:
    return [each.label for each in labelled_values(items, SPEC, "data", with_labels=True)]


class Pairs(Dataset[Any]):
    """A data set of PyTorch: no __iter__, and no IndexError at its end."""

    def __len__(self) -> int:
        return len(INPUTS)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.from_numpy(INPUTS[index % 6]), int(LABELS[index % 6])


class Column:
    """A column of a Hugging Face data set: indexed and counted, decoded when it is read."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Image.Image:
        return Image.fromarray(PICTURE + index)


class Rows(Column):
    """A Hugging Face data set: each item is a mapping."""

    def __getitem__(self, index: int) -> Any:
        return {"img": Image.fromarray(PICTURE + index), "label": index}


INPUT_ITEMS = {
    "an array": lambda: INPUTS,
    "a tensor": lambda: torch.from_numpy(INPUTS),
    "a list of arrays": lambda: list(INPUTS),
    "a list of batches": lambda: [INPUTS[:4], INPUTS[4:]],
    "a generator": lambda: (each for each in INPUTS),
    "arrays and labels": lambda: (INPUTS, LABELS),
    "a loader of pairs": lambda: DataLoader(Pairs(), batch_size=4),
    "a loader of tensors": lambda: DataLoader(TensorDataset(torch.from_numpy(INPUTS)), 5),
    "a loader without batches": lambda: DataLoader(Pairs(), batch_size=None),
    "a data set": Pairs,
    "a loader that collates nothing": lambda: DataLoader(Pairs(), 4, collate_fn=list),
    "mappings": lambda: [{"pixel_values": INPUTS[:3], "labels": LABELS[:3]}, {"x": INPUTS[3:]}],
    "nested lists": lambda: [{"pixel_values": each.tolist()} for each in INPUTS],
}


@pytest.mark.parametrize("kind", INPUT_ITEMS)
def test_floats_of_the_networks_input_are_inputs_as_they_are(kind: str) -> None:
    read = values(INPUT_ITEMS[kind]())
    assert all(each.dtype == np.float32 for each in read)
    np.testing.assert_array_equal(np.concatenate(read), INPUTS)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_floats_of_another_width_become_float32(dtype: torch.dtype) -> None:
    (read,) = values([torch.full((3, 8, 8), 0.5, dtype=dtype, requires_grad=True)])
    np.testing.assert_array_equal(read, np.full((1, 3, 8, 8), 0.5, np.float32))


IMAGE_ITEMS = {
    "bytes of colour": lambda: PICTURE,
    "as torchvision decodes it": lambda: torch.from_numpy(PICTURE.transpose(2, 0, 1).copy()),
    "a PIL image": lambda: Image.fromarray(PICTURE),
    "a grey image": lambda: PICTURE[..., :1],
}


@pytest.mark.parametrize("kind", IMAGE_ITEMS)
def test_bytes_are_images(kind: str) -> None:
    (image,) = values([IMAGE_ITEMS[kind]()])
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, PICTURE[..., : image.shape[2]])


def test_grey_images_without_a_channel_axis_are_a_batch() -> None:
    np.testing.assert_array_equal(values(GREY), GREY)
    assert labels([(GREY, LABELS)]) == LABELS.tolist()


def test_an_image_of_pil_is_turned_upright_as_an_app_does() -> None:
    turned, written = Image.Exif(), io.BytesIO()
    turned[274] = 6  # orientation: to be turned by 90 degrees clockwise
    Image.fromarray(PICTURE).save(written, "PNG", exif=turned)
    (read,) = values([Image.open(written)])
    np.testing.assert_array_equal(read, np.rot90(PICTURE, -1))


def test_paths_are_images_of_files() -> None:
    assert values(["a.png", Path("b.jpg")]) == [Path("a.png"), Path("b.jpg")]


def test_a_column_and_rows_of_hugging_face() -> None:
    for items in (Column(), Rows()):
        read = values(items)
        assert [int(each[0, 0, 0]) - int(PICTURE[0, 0, 0]) for each in read] == [0, 1, 2]
    assert labels(Rows()) == [0, 1, 2]


@pytest.mark.parametrize(
    "kind", ["arrays and labels", "a loader of pairs", "a loader without batches", "a data set"]
)
def test_labels_come_with_their_images(kind: str) -> None:
    assert labels(INPUT_ITEMS[kind]()) == LABELS.tolist()


def test_labels_may_be_names() -> None:
    assert labels([(PICTURE, "cat"), ("dog.png", "dog")]) == ["cat", "dog"]
    assert labels([(INPUTS[:2], ["cat", "dog"])]) == ["cat", "dog"]


def test_labels_of_detection_are_not_looked_at_where_none_are_wanted() -> None:
    batch = ([INPUTS[0], INPUTS[1]], [{"boxes": [[0, 0, 1, 1]]}, {"boxes": []}])
    assert len(values([batch])) == 2


def test_an_endless_generator_is_read_as_far_as_it_is_asked() -> None:
    taken = []

    def endless() -> Iterator[np.ndarray]:
        for number in itertools.count():
            taken.append(number)
            yield INPUTS[number % 6]

    list(itertools.islice(labelled_values(endless(), SPEC, "calibrate"), 4))
    assert taken == [0, 1, 2, 3]


def test_a_sequence_is_drawn_from_and_a_loader_is_not() -> None:
    drawn = np.concatenate(values(INPUTS, is_drawn=True))
    assert not np.array_equal(drawn, INPUTS)
    np.testing.assert_array_equal(np.sort(drawn, 0), np.sort(INPUTS, 0))
    np.testing.assert_array_equal(drawn, np.concatenate(values(list(INPUTS), is_drawn=True)))
    loader = DataLoader(Pairs(), batch_size=4)
    np.testing.assert_array_equal(np.concatenate(values(loader, is_drawn=True)), INPUTS)


def damaged() -> Image.Image:
    """An image whose file ends early; PIL does not know before its pixels are asked for."""
    written = io.BytesIO()
    Image.fromarray(PICTURE).save(written, "PNG")
    return Image.open(io.BytesIO(written.getvalue()[:200]))


DAMAGED = damaged()


def holed(value: float) -> np.ndarray:
    inputs = INPUTS[0].copy()
    inputs[0, 3, 4] = value
    return inputs


REFUSED = {
    "another shape": ([INPUTS[0], INPUTS[1, :, :4]], "item 1 of the list is float32 3x4x8"),
    "another number of channels": ([INPUTS[:, :1]], "item 0 of the list is float32 1x8x8"),
    "NaN": ([INPUTS[0], holed(np.nan)], "item 1 of the list holds NaN in 1 of 192 values"),
    "infinity": ([holed(-np.inf)], "item 0 of the list holds infinity in 1 of 192 values"),
    "labels only": ([torch.tensor([1, 2])], "item 0 of the list is int64 2, .*the labels"),
    "whole numbers": ([PICTURE.astype(np.int64)], r"int64 10x12x3.*astype\(numpy.uint8\)"),
    "keys": ([{"features": INPUTS[0]}], "item 0 of the list has the keys features, .*image, img"),
    "a data set of splits": ({"train": [], "test": []}, r"a mapping of train, test.*data\['train'"),
    "a number": ([3.5], "item 0 of the list is float64 1, expected an input"),
    "an object": (
        [object()],
        "item 0 of the list is of type object, expected an input float32 3x8x8",
    ),
    "an empty item": ([()], "item 0 of the list is empty"),
    "floats of rows": ([INPUTS[0].transpose(1, 2, 0)], r"channels first: .transpose\(2, 0, 1\)"),
    "a label": (iter([3, 4]), "of type int, .*is it the labels"),
    "lists of other lengths": (
        [([[1, 2], [3]], 0)],
        "item 0 of the list is a list that is no array",
    ),
    "a sparse tensor": (
        [torch.zeros(3, 8, 8).to_sparse()],
        "is a Tensor that is no array of numpy",
    ),
    "a tensor without values": ([torch.zeros(3, 8, 8, device="meta")], "is a Tensor that is no a"),
    "a damaged file of PIL": ([DAMAGED], "item 0 of the list cannot be read: Pillow image"),
    "strips": ([np.zeros((2, 5, 9, 7), np.uint8)], "uint8 5x9x7, expected an image"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_is_named_with_its_index(kind: str) -> None:
    items, message = REFUSED[kind]
    with pytest.raises(DataUnreadable, match=f"calibrate: .*{message}"):
        values(items)


def test_what_is_no_iterable_is_refused() -> None:
    with pytest.raises(DataUnreadable, match="calibrate is a int, expected a name, a folder"):
        values(5)


def test_as_many_labels_as_images() -> None:
    with pytest.raises(DataUnreadable, match="has 6 images and 5 labels"):
        labels([(INPUTS, LABELS[:5])])
