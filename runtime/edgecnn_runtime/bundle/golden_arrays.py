"""Arrays of a golden example, read from ``.npy`` files and checked against the manifest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle.npy import read_npy
from edgecnn_runtime.errors import GoldenInvalid
from edgecnn_runtime.manifest import Golden, Manifest
from edgecnn_runtime.tensor_spec import TensorSpec

# The checked content of a file by its path in an archive.
Read = Callable[[str], bytes]


@dataclass(frozen=True)
class GoldenArrays:
    """A golden example in memory. `image` is HWC uint8 or None."""

    inputs: dict[str, Array]
    outputs: dict[str, Array]
    image: Array | None


def golden_arrays(archive: str, manifest: Manifest, entry: Golden, read: Read) -> GoldenArrays:
    """The arrays of one example.

    Args:
        archive: path of the file that `read` reads from, for errors.

    Raises:
        GoldenInvalid: an array is not a plain ``.npy``, does not fit its tensor, or is not finite.
    """
    image = None if entry.image is None else _npy(archive, entry.image, read)
    if image is not None and (image.dtype != np.uint8 or image.shape[2:] != (3,)):
        raise GoldenInvalid(
            f"{archive}: {entry.image} is {image.dtype} {image.shape}, expected an image "
            "(height, width, 3) uint8"
        )
    return GoldenArrays(
        inputs={
            spec.name: _tensor(archive, entry.inputs[spec.name], spec, read)
            for spec in manifest.inputs
        },
        outputs={
            spec.name: _tensor(archive, entry.outputs[spec.name], spec, read)
            for spec in manifest.outputs
        },
        image=image,
    )


def _tensor(archive: str, path: str, spec: TensorSpec, read: Read) -> Array:
    array = _npy(archive, path, read)
    fits = len(array.shape) == len(spec.shape) and all(
        expected in (None, actual) for expected, actual in zip(spec.shape, array.shape, strict=True)
    )
    if array.dtype.name != spec.dtype or not fits:
        raise GoldenInvalid(
            f"{archive}: {path} is {array.dtype.name} {array.shape}, expected {spec}"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise GoldenInvalid(f"{archive}: {path} holds NaN or infinity")
    return array


def _npy(archive: str, path: str, read: Read) -> Array:
    try:
        return read_npy(read(path))
    except ValueError as error:
        raise GoldenInvalid(f"{archive}: {path} is not a plain .npy array: {error}") from error
