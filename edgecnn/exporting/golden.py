"""Golden examples of the user's choice: images of a folder, an ``.npz``, or a Python iterable."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from edgecnn.data.item_values import Image, is_image, is_input
from edgecnn.data.iterables import Items, labelled_values, nothing_in
from edgecnn.data.pictures import draw, find_images, is_image_source, read_npz
from edgecnn.errors import DataUnreadable
from edgecnn_exporters.capture.examples import GivenExamples
from edgecnn_runtime.arrays import UInt8
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.tensor_spec import TensorSpec

# Examples of batch 1 that are packed, at most.
MOST = 8


def open_golden(data: str | Items, spec: TensorSpec, prepare: Preprocess | None) -> GivenExamples:
    """Read at most `MOST` examples, drawn from all; of a fixed batch as many whole batches.

    Args:
        data: a folder of images, or an ``.npz`` of one array: images (N, H, W, C) uint8, or inputs
            as the network reads them, float. Or an iterable of images or of inputs.
        spec: the network's input.

    Raises:
        DataUnreadable: neither, nothing in it, or nothing that fits.
        ImageError: an image that cannot be read.
    """
    if not isinstance(data, str):
        return _of_items(data, spec, prepare)
    count = _count(spec)
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
    return _of_images(data, images, spec, prepare)


def _count(spec: TensorSpec) -> int:
    """Number of examples: `MOST`, or whole batches of a fixed size, one at least."""
    size = spec.shape[0] or 1
    return max(1, MOST // size) * size


def _of_items(items: Items, spec: TensorSpec, prepare: Preprocess | None) -> GivenExamples:
    """The first `MOST` of an iterable, in its order."""
    count = _count(spec)
    chosen = list(itertools.islice(labelled_values(items, spec, "golden"), count))
    if not chosen:
        raise nothing_in(items, "golden")
    values = [each.value for each in chosen]
    if all(map(is_input, values)):
        inputs = np.concatenate([value for value in values if is_input(value)])
        return _inputs("golden", GivenExamples(inputs), spec)
    images = tuple(_load(value) for value in values if is_image(value))
    if len(images) < len(values):
        raise DataUnreadable("golden: some items are images and some are inputs; give one kind")
    return _of_images("golden", images, spec, prepare)


def _of_images(
    name: str, images: tuple[UInt8, ...], spec: TensorSpec, prepare: Preprocess | None
) -> GivenExamples:
    if prepare is None:
        raise DataUnreadable(
            f"{name} holds images, and the network has no preprocessing for them: say "
            "--preprocess, or give an .npz of inputs"
        )
    inputs = np.concatenate([preprocess(image, prepare) for image in images])
    return _inputs(name, GivenExamples(inputs, images), spec)


def _load(image: Image) -> UInt8:
    pixels = load_image(image) if isinstance(image, Path) or image.ndim == 2 else image
    return pixels.repeat(3, axis=-1) if pixels.shape[-1] == 1 else pixels[..., :3]


def _inputs(data: str, given: GivenExamples, spec: TensorSpec) -> GivenExamples:
    shape = given.inputs.shape
    if shape[1:] != spec.shape[1:]:
        raise DataUnreadable(f"{data} makes inputs {shape}, the network reads {spec}")
    if len(given.inputs) < (spec.shape[0] or 1):
        raise DataUnreadable(f"{data} holds {shape[0]} examples, fewer than one batch of {spec}")
    if not np.isfinite(given.inputs).all():
        raise DataUnreadable(f"{data} holds NaN or infinity")
    return given
