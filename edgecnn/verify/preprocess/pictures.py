"""Images that a bundle is verified on: the shipped photographs, a data set or a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgecnn.data.item_values import Value
from edgecnn.data.iterables import Items, items_name, some_values
from edgecnn.data.named import NAMED
from edgecnn.data.pictures import SAMPLES, draw, find_images, is_image_source
from edgecnn.errors import DataUnreadable
from edgecnn_exporters.capture.examples import NAMES, example_images
from edgecnn_runtime.arrays import UInt8
from edgecnn_runtime.tensor_spec import TensorSpec

# Mirror images and crops of the photographs: more of them would be small pieces.
FEW = 8 * len(NAMES)


def verification_images(data: str | None, limit: int, *, quiet: bool) -> Sequence[Path | UInt8]:
    """At most `limit` images, drawn uniformly from all; the same ones every time.

    Args:
        data: mnist, fashion-mnist, cifar10, imagenet-samples, or a folder with images somewhere
            below it; None takes the photographs that come with edgecnn, mirrored and cropped.

    Raises:
        DataUnreadable: no such name or folder, or no images in it.
        FetchError: a named one is not there and cannot be fetched.
    """
    if data is None:
        return example_images(min(limit, FEW))
    if not is_image_source(data):
        raise DataUnreadable(
            f"--data {data} is not a folder and none of {', '.join((*NAMED, SAMPLES))}"
        )
    images = find_images(data, split="test", quiet=quiet)
    return [images[index] for index in draw(len(images), limit)]


def verification_values(
    data: str | Items, spec: TensorSpec, limit: int, *, quiet: bool
) -> tuple[str, Sequence[Value]]:
    """The name of images or inputs, and at most `limit` of them.

    Args:
        data: as `verification_images` takes it, or an iterable of images and inputs.
        spec: the network's input.

    Raises:
        DataUnreadable, FetchError: there are none, or one does not fit.
    """
    if isinstance(data, str):
        return data, verification_images(data, limit, quiet=quiet)
    return items_name(data), some_values(data, spec, "data", limit)
