"""Calibration samples of a Python iterable: loaders, data sets, arrays, generators."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edgecnn.data.item_values import is_image, is_input
from edgecnn.data.iterables import Items, LabelledValue, items_name, labelled_values, nothing_in
from edgecnn.errors import DataUnreadable
from edgecnn.exporting.samples import grouped, named
from edgecnn_exporters.errors import CalibrationFailed
from edgecnn_exporters.quantise.calibrate.samples import Spool
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.encoding import Range
from edgecnn_runtime.errors import ImageError
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.tensor_spec import TensorSpec

PURPOSE = "calibrate"


@dataclass
class IterableSamples:
    """Samples of an iterable in its order; it is read once, and no further than they need.

    Attributes:
        broken: names of images that could not be read, filled while they are.
        least, greatest: of the inputs among them; infinite where all are images.
        images: how many were images, which preprocessing made inputs of.
    """

    items: Items
    spec: TensorSpec
    prepare: Preprocess | None
    broken: list[str] = field(default_factory=list)
    least: float = float("inf")
    greatest: float = float("-inf")
    images: int = 0

    def __post_init__(self) -> None:
        self._values = labelled_values(self.items, self.spec, PURPOSE, is_drawn=True)

    def spool(self, count: int) -> Spool:
        """The next `count` samples, or as many as there are.

        Raises:
            CalibrationFailed: there are none.
            DataUnreadable: an item is no image and no input.
        """
        names: list[str] = []
        spool = Spool(grouped(self._inputs(count, names), self.spec))
        spool.names = named(names, self.spec)
        return spool

    def range(self) -> Range | None:
        """Least and greatest of the inputs; None where a sample was an image."""
        if self.images or self.least > self.greatest:
            return None
        return Range(self.least, self.greatest)

    def _inputs(self, count: int, names: list[str]) -> Iterator[Float32]:
        for value in itertools.islice(self._values, count):
            try:
                made = self._input(value)
            except ImageError:
                is_file = isinstance(value.value, Path)
                self.broken.append(f"{value.name}, {value.value}" if is_file else value.name)
                continue
            names.append(value.name)
            yield made

    def _input(self, item: LabelledValue) -> Float32:
        """The input (1, …) of one value."""
        value = item.value
        if is_image(value):
            if self.prepare is None:
                raise DataUnreadable(
                    f"{PURPOSE}: {item.name} is an image, and the network has no preprocessing "
                    "for images: say preprocess=…, or give inputs as it reads them, float32"
                )
            self.images += 1
            return preprocess(load_image(value), self.prepare)
        assert is_input(value)
        self.least = min(self.least, float(value.min()))
        self.greatest = max(self.greatest, float(value.max()))
        return value


@dataclass(frozen=True)
class SpooledItems:
    """Samples of an iterable in temporary files.

    Attributes:
        fresh: those after them; None where there are too few.
        broken: names of the images that could not be read.
        measured: least and greatest of inputs; None for images.
    """

    name: str
    samples: Spool
    fresh: Spool | None
    broken: tuple[str, ...]
    measured: Range | None


def spool_items(
    items: Items, spec: TensorSpec, prepare: Preprocess | None, count: int, fresh: int
) -> SpooledItems:
    """At most `count` samples of an iterable, and at most `fresh` that follow them.

    Raises:
        DataUnreadable: no iterable, nothing in it, or an item that does not fit.
    """
    source = IterableSamples(items, spec, prepare)
    try:
        samples = source.spool(count)
    except CalibrationFailed as error:
        if not source.broken:
            raise nothing_in(items, PURPOSE) from error
        raise DataUnreadable(
            f"{PURPOSE}: no image of {items_name(items)} can be read, of {len(source.broken)}; "
            f"the first is {source.broken[0]}"
        ) from error
    others = None
    with contextlib.suppress(CalibrationFailed):
        others = source.spool(fresh)
    measured = source.range()
    return SpooledItems(items_name(items), samples, others, tuple(source.broken), measured)
