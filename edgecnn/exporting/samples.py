"""Samples of a network's input, in temporary files: images through its preprocessing, or arrays."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgecnn.data.pictures import ImageList
from edgecnn.errors import DataUnreadable
from edgecnn_exporters.errors import CalibrationFailed
from edgecnn_exporters.quantise.calibrate.samples import Spool
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.errors import ImageError
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.tensor_spec import TensorSpec


@dataclass
class ImageSamples:
    """Images of one source, to be drawn from.

    Attributes:
        folder: what names are relative to.
        broken: names of images that could not be read, filled while they are.
    """

    images: ImageList
    spec: TensorSpec
    prepare: Preprocess
    folder: Path
    broken: list[str] = field(default_factory=list)

    def spool(self, chosen: Sequence[int]) -> Spool:
        """The chosen images as samples.

        Raises:
            CalibrationFailed: none can be read.
            DataUnreadable: preprocessing makes another shape than the network reads.
        """
        names: list[str] = []
        try:
            spool = Spool(grouped(self._prepared(chosen, names), self.spec))
        except CalibrationFailed as error:
            if not self.broken:
                raise
            raise CalibrationFailed(
                f"none of {len(chosen)} images of {self.folder} can be read, {self.broken[0]} the "
                "first; look at the files, or give another --calibrate"
            ) from error
        spool.names = named(names, self.spec)
        return spool

    def _prepared(self, chosen: Sequence[int], names: list[str]) -> Iterator[Float32]:
        """Inputs of batch 1, in order."""
        for index in chosen:
            image = self.images[index]
            name = self._name(image) if isinstance(image, Path) else f"image {index}"
            try:
                pixels = load_image(image) if isinstance(image, Path) else image
            except ImageError:
                self.broken.append(name)
                continue
            names.append(name)
            grey = pixels.shape[-1] == 1
            yield preprocess(pixels.repeat(3, axis=-1) if grey else pixels, self.prepare)

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.folder) if path.is_relative_to(self.folder) else path.name)


def spool_some(images: ImageSamples, chosen: Sequence[int]) -> Spool | None:
    """The chosen images as samples; None where there are none, or too few for a fixed batch."""
    with contextlib.suppress(CalibrationFailed):
        return images.spool(chosen)
    return None


def spool_inputs(inputs: Array, chosen: Sequence[int], spec: TensorSpec) -> Spool:
    """The chosen rows of an array of inputs, (N, …), as samples."""
    names = named([f"input {index}" for index in chosen], spec)
    return Spool(batches(inputs[list(chosen)].astype(np.float32), spec), names)


def batches(inputs: Float32, spec: TensorSpec) -> Iterator[Float32]:
    """Rows of inputs (N, …) as samples of the network's batch."""
    return grouped((inputs[i : i + 1] for i in range(len(inputs))), spec)


def grouped(inputs: Iterator[Float32], spec: TensorSpec) -> Iterator[Float32]:
    """Inputs joined to the network's fixed batch; what does not fill one is left out."""
    size = spec.shape[0] or 1
    batch: list[Float32] = []
    for each in inputs:
        if each.shape[1:] != spec.shape[1:]:
            raise DataUnreadable(f"preprocessing makes {each.shape}, the network reads {spec}")
        batch.append(each)
        if len(batch) == size:
            yield np.concatenate(batch)
            batch = []


def named(names: Sequence[str], spec: TensorSpec) -> list[str]:
    """The name of each sample: of a fixed batch, that of its first input."""
    size = spec.shape[0] or 1
    return [names[i] for i in range(0, len(names) - size + 1, size)]
