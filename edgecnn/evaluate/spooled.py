"""Labelled images of a Python iterable, kept in a temporary file."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, overload

import numpy as np

from edgecnn.data.item_values import Value
from edgecnn.data.iterables import (
    Items,
    LabelledValue,
    items_name,
    labelled_values,
    nothing_in,
)
from edgecnn.errors import DataUnreadable
from edgecnn.evaluate.class_names import ClassNames
from edgecnn.evaluate.examples import Examples
from edgecnn_exporters.scratch import refuse_full_disk
from edgecnn_runtime.tensor_spec import TensorSpec

PURPOSE = "data"


@dataclass(frozen=True)
class _Place:
    """Place of an array in the file."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


class SpooledImages(Sequence[Value]):
    """Images and inputs in a file, each read when it is asked for.

    Paths are kept as they are. A part of them is read when it is sent to another process.
    """

    def __init__(
        self, file: BinaryIO, places: Sequence[Path | _Place], turn: threading.Lock | None = None
    ) -> None:
        self._file = file
        self._places = places
        self._turn = threading.Lock() if turn is None else turn

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Value: ...

    @overload
    def __getitem__(self, index: slice) -> SpooledImages: ...

    def __getitem__(self, index: int | slice) -> Value | SpooledImages:
        if isinstance(index, slice):
            return SpooledImages(self._file, self._places[index], self._turn)
        return self._read(self._places[index])

    def __reduce__(self) -> tuple[type[list[Value]], tuple[list[Value]]]:
        return list, (list(self),)

    def _read(self, place: Path | _Place) -> Value:
        if isinstance(place, Path):
            return place
        size = int(np.prod(place.shape)) * place.dtype.itemsize
        with self._turn:
            self._file.seek(place.offset)
            content = self._file.read(size)
        value: Value = np.frombuffer(content, place.dtype).reshape(place.shape)
        return value


@dataclass(frozen=True)
class SpooledExamples:
    """Images, and their labels as the iterable gives them.

    Attributes:
        name: what they are of.
        items: name of the item of each, for messages.
        labels: numbers of classes or names.
    """

    name: str
    images: SpooledImages
    items: tuple[str, ...]
    labels: tuple[int | str, ...]

    def examples(self, names: ClassNames) -> Examples:
        """The images with numbers of the network's classes.

        Raises:
            DataUnreadable: a label is no class of the network.
        """
        words = sorted({label for label in self.labels if isinstance(label, str)})
        numbers, notes = names.numbers(words) if words else ((), ())
        known = dict(zip(words, numbers, strict=True))
        labels = [known[label] if isinstance(label, str) else label for label in self.labels]
        for item, label in zip(self.items, labels, strict=True):
            if not 0 <= label < names.classes:
                raise DataUnreadable(
                    f"{PURPOSE}: {item} has the label {label}, expected 0 to {names.classes - 1}: "
                    f"the network has {names.classes} classes"
                )
        return Examples(self.name, self.images, np.array(labels, np.int64), notes)


@contextlib.contextmanager
def spool_examples(
    items: Items, spec: TensorSpec, most: int | None = None
) -> Iterator[SpooledExamples]:
    """Labelled images of an iterable, at most so many; of a sequence they are drawn.

    Args:
        spec: the network's input.

    Raises:
        DataUnreadable: no iterable, nothing in it, or an item without a label.
        OutputNotWritable: there is no room for a temporary file.
    """
    values = labelled_values(items, spec, PURPOSE, is_drawn=most is not None, with_labels=True)
    with refuse_full_disk():
        file = tempfile.TemporaryFile()  # noqa: SIM115 # the next line ends it
    with file:
        yield _spool(itertools.islice(values, most), items, file)


def _spool(values: Iterable[LabelledValue], items: Items, file: BinaryIO) -> SpooledExamples:
    places: list[Path | _Place] = []
    named: list[str] = []
    labels: list[int | str] = []
    for each in values:
        if each.label is None:
            raise DataUnreadable(
                f"{PURPOSE}: {each.name} has no label, expected pairs (image, label) or a mapping "
                "with image and label; a label is a whole number or a name"
            )
        with refuse_full_disk():
            places.append(_write(file, each.value))
        named.append(each.name)
        labels.append(each.label)
    if not labels:
        raise nothing_in(items, PURPOSE)
    with refuse_full_disk():
        file.flush()
    return SpooledExamples(
        items_name(items), SpooledImages(file, places), tuple(named), tuple(labels)
    )


def _write(file: BinaryIO, value: Value) -> Path | _Place:
    if isinstance(value, Path):
        return value
    offset = file.tell()
    file.write(np.ascontiguousarray(value).data)
    return _Place(offset, value.shape, value.dtype)
