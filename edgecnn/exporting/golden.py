"""Golden examples of the user's choice: images of a folder, or inputs of an ``.npz``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgecnn.data.pictures import draw, find_images, is_image_source, read_npz
from edgecnn.errors import DataUnreadable
from edgecnn_exporters.capture.examples import GivenExamples
from edgecnn_runtime.arrays import UInt8
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Preprocess, TensorSpec

# Examples of batch 1 that are packed, at most.
MOST = 8


def open_golden(data: str, spec: TensorSpec, prepare: Preprocess | None) -> GivenExamples:
    """Read at most `MOST` examples, drawn from all; of a fixed batch as many whole batches.

    Args:
        data: a folder of images, or an ``.npz`` of one array: images (N, H, W, C) uint8, or inputs
            as the network reads them, float.
        spec: the network's input.

    Raises:
        DataUnreadable: neither, nothing in it, or nothing that fits.
        ImageError: an image that cannot be read.
    """
    count = max(1, MOST // (spec.shape[0] or 1)) * (spec.shape[0] or 1)
    if data.endswith(".npz"):
        array = read_npz(Path(data))
        chosen = array[draw(len(array), count)]
        if array.dtype.kind == "f":
            return _inputs(data, GivenExamples(chosen.astype(np.float32)), spec)
        images = tuple(chosen)
    elif is_image_source(data):
        found = find_images(data)
        images = tuple(_load(found[index]) for index in draw(len(found), count))
    else:
        raise DataUnreadable(f"{data} is not a folder of images and not an .npz")
    if prepare is None:
        raise DataUnreadable(
            f"{data} holds images, and the network has no preprocessing for them: say "
            "--preprocess, or give an .npz of inputs"
        )
    inputs = np.concatenate([preprocess(image, prepare) for image in images])
    return _inputs(data, GivenExamples(inputs, images), spec)


def _load(image: Path | UInt8) -> UInt8:
    pixels = load_image(image) if isinstance(image, Path) else image
    return pixels.repeat(3, axis=-1) if pixels.shape[-1] == 1 else pixels


def _inputs(data: str, given: GivenExamples, spec: TensorSpec) -> GivenExamples:
    shape = given.inputs.shape
    if shape[1:] != spec.shape[1:]:
        raise DataUnreadable(f"{data} makes inputs {shape}, the network reads {spec}")
    if len(given.inputs) < (spec.shape[0] or 1):
        raise DataUnreadable(f"{data} holds {shape[0]} examples, fewer than one batch of {spec}")
    if not np.isfinite(given.inputs).all():
        raise DataUnreadable(f"{data} holds NaN or infinity")
    return given
