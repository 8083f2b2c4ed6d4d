"""Images, inputs and labels of any Python iterable: loaders, data sets, arrays, lists, generators.

By protocol alone: a ``DataLoader`` of PyTorch, a data set or a column of Hugging Face, a numpy
array and a generator are read without importing the package that they are of.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from edgecnn.data.item_values import (
    Value,
    as_array,
    is_array,
    is_batch,
    is_single,
    single_value,
)
from edgecnn.errors import DataUnreadable
from edgecnn_runtime.tensor_spec import TensorSpec

Items: TypeAlias = Iterable[Any]
"""Items of any kind that `labelled_values` reads."""
# Keys of an item that is a mapping, as data sets and feature extractors name them.
IMAGE_KEYS = ("image", "img", "images", "pixel_values", "input", "inputs", "x", "picture")
LABEL_KEYS = ("label", "labels", "target", "targets", "y", "fine_label", "class")


@dataclass(frozen=True)
class LabelledValue:
    """One image or one input of a network, and its label.

    Attributes:
        name: the item that it is of, for messages: ``item 3``, or ``item 3, row 7`` of a batch.
        label: a number or a name; None where the item has none.
    """

    name: str
    value: Value
    label: int | str | None


def items_name(items: Items) -> str:
    """Name of an iterable for the provenance and for messages: its class, no content."""
    return f"{type(items).__name__} in Python"


def labelled_values(
    items: Items,
    spec: TensorSpec,
    purpose: str,
    *,
    is_drawn: bool = False,
    with_labels: bool = False,
) -> Iterator[LabelledValue]:
    """Each image or input of an iterable, one at a time; batches are split.

    An item is an image (uint8 array, PIL image, path), an input as the network reads it (float), a
    batch of either, a pair that begins with one and goes on with its labels, or a mapping with a
    key of `IMAGE_KEYS` and one of `LABEL_KEYS`.

    Args:
        spec: the network's input, (N, …).
        purpose: of the items, which messages begin with: ``calibrate`` or ``data``.
        is_drawn: items of a sequence come in a random order, the same every time. Those of a
            loader or a generator come in their own.
        with_labels: without it labels are not looked at, and None.

    Raises:
        DataUnreadable: no iterable, or an item that is none of these.
    """
    for index, item in _indexed(items, purpose, is_drawn=is_drawn):
        name = f"item {index}"
        try:
            values = [
                (single_value(value, spec), _label(label) if with_labels else None)
                for value, label in _split(item, with_labels=with_labels)
            ]
        except DataUnreadable as error:
            raise DataUnreadable(f"{purpose}: {name} of {_kind(items)} {error}") from error
        for row, (value, label) in enumerate(values):
            yield LabelledValue(f"{name}, row {row}" if len(values) > 1 else name, value, label)


def some_values(items: Items, spec: TensorSpec, purpose: str, most: int) -> list[Value]:
    """At most so many images and inputs of an iterable, labels left out; of a sequence drawn.

    Raises:
        DataUnreadable: no iterable, nothing in it, or an item that does not fit.
    """
    values = itertools.islice(labelled_values(items, spec, purpose, is_drawn=True), most)
    read = [each.value for each in values]
    if not read:
        raise nothing_in(items, purpose)
    return read


def nothing_in(items: Items, purpose: str) -> DataUnreadable:
    """The error for an iterable without items."""
    hint = (
        "it gives its items once: make a new one for each call, or pass a list or a DataLoader"
        if isinstance(items, Iterator)
        else "expected images, or inputs as the network reads them"
    )
    return DataUnreadable(f"{purpose}: {_kind(items)} yields nothing; {hint}")


def _kind(items: object) -> str:
    return f"the {type(items).__name__}"


def _indexed(items: Items, purpose: str, *, is_drawn: bool) -> Iterator[tuple[int, Any]]:
    """The items with their indices."""
    if is_array(items):
        try:
            array = as_array(items)
        except DataUnreadable as error:
            raise DataUnreadable(f"{purpose} {error}") from error
        items = array if is_batch(array) else [array]
    if isinstance(items, tuple):
        items = [items]  # (images, labels): one item
    if isinstance(items, Mapping):
        raise DataUnreadable(
            f"{purpose}: a mapping of {_names(items)}, expected its images: pass one of them, as "
            f"in data[{next(iter(items), 'train')!r}]"
        )
    if isinstance(items, Sized) and hasattr(items, "__getitem__"):
        order: Iterable[int] = range(len(items))
        if is_drawn:
            order = map(int, np.random.default_rng(0).permutation(len(items)))
        yield from ((index, items[index]) for index in order)
        return
    if not isinstance(items, Iterable):
        raise DataUnreadable(
            f"{purpose} is a {type(items).__name__}, expected a name, a folder, or an iterable of "
            "images or inputs: a DataLoader, a data set, an array, a list"
        )
    yield from enumerate(items)


def _split(item: Any, *, with_labels: bool) -> list[tuple[Any, Any]]:
    """The single images or inputs of an item, each with its label or None."""
    if isinstance(item, Mapping):
        images, labels = _of_mapping(item)
        return _paired(images, labels if with_labels else None)
    if isinstance(item, list | tuple) and not is_array(item):
        if not item:
            raise DataUnreadable("is empty, expected an image or an input")
        if all(isinstance(each, Mapping | tuple) for each in item):
            return [pair for each in item for pair in _split(each, with_labels=with_labels)]
        if isinstance(item, list) and all(map(is_single, item)):
            return [(each, None) for each in item]
        return _paired(item[0], item[1] if with_labels and len(item) > 1 else None)
    return _paired(item, None)


def _of_mapping(item: Mapping[Any, Any]) -> tuple[Any, Any]:
    image = next((key for key in IMAGE_KEYS if key in item), None)
    label = next((key for key in LABEL_KEYS if key in item), None)
    if image is None:
        raise DataUnreadable(
            f"has the keys {_names(item)}, expected an image under one of {', '.join(IMAGE_KEYS)}"
        )
    return item[image], None if label is None else item[label]


def _names(item: Mapping[Any, Any]) -> str:
    return ", ".join(map(str, item)) or "nothing"


def _paired(images: Any, labels: Any) -> list[tuple[Any, Any]]:
    """One image with its label, or a batch of them, row by row."""
    if not _is_batch(images):
        return [(images, labels)]
    rows = list(as_array(images) if is_array(images) else images)
    if labels is None:
        return [(row, None) for row in rows]
    own = list(labels) if isinstance(labels, Sequence) else list(np.atleast_1d(as_array(labels)))
    if isinstance(labels, str) or len(own) != len(rows):
        raise DataUnreadable(
            f"has {len(rows)} images and {1 if isinstance(labels, str) else len(own)} labels; "
            "expected one for each"
        )
    return list(zip(rows, own, strict=True))


def _is_batch(images: Any) -> bool:
    if is_array(images):
        return is_batch(as_array(images))
    return isinstance(images, list | tuple) and bool(images) and all(map(is_single, images))


def _label(label: Any) -> int | str | None:
    """A label as a number or a name; None for what is neither, as the scores of soft labels."""
    if label is None or isinstance(label, str):
        return label
    array = as_array(label)
    if array.size != 1 or array.dtype.kind not in "iu":
        return None
    return int(array.reshape(()))
