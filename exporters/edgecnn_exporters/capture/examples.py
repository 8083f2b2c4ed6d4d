"""Example inputs: edgecnn's photographs, preprocessed for any network.

Networks are compared on photographs, not on noise: noise leaves most channels of a trained
network inactive, and a fault in an inactive channel shows in no output.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import numpy as np

from edgecnn_exporters.errors import InputMismatch
from edgecnn_runtime.arrays import Float32, UInt8
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Layout, Preprocess, TensorSpec

NAMES = ("cat", "coffee", "rocket", "astronaut")


@cache
def photograph(name: str) -> UInt8:
    """One of `NAMES` as (H, W, 3) uint8. Origin and licence: photographs/README.md."""
    folder = resources.files("edgecnn_exporters") / "photographs"
    return load_image((folder / f"{name}.jpg").read_bytes())


def example_images(count: int) -> list[UInt8]:
    """`count` different images: the photographs, then their mirror images, then crops of both."""
    images: list[UInt8] = []
    margin = 0
    while len(images) < count:
        for name in NAMES:
            image = photograph(name)
            images.append(image[margin:, margin:])
        images += [image[:, ::-1] for image in images[-len(NAMES) :]]
        margin += 24
    return images[:count]


def example_batch(spec: TensorSpec, prepare: Preprocess | None, count: int) -> Float32:
    """`count` images as the input `spec`, through the bundle's preprocessing where there is one.

    A network without preprocessing of images (say, of seven channels) gets the images' colour
    planes in turn, scaled to -1…1.

    Raises:
        InputMismatch: the preprocessing makes another shape than the input's.
    """
    if prepare is not None:
        batch = np.concatenate([preprocess(image, prepare) for image in example_images(count)])
        if batch.shape[1:] != spec.shape[1:]:
            shape = "x".join(map(str, batch.shape[1:]))
            raise InputMismatch(f"preprocessing makes Nx{shape}, the network reads {spec}")
        return batch
    layout = layout_of(spec)
    channels, height, width = spatial(spec)
    plain = Preprocess(
        colour="RGB",
        resize=(height, width),
        filter="bilinear",
        crop=None,
        scale=1 / 127.5,
        mean=(1.0,) * 3,
        std=(1.0,) * 3,
        layout=layout,
    )
    axis = 1 if layout == "NCHW" else 3
    planes = [preprocess(image, plain) for image in example_images(count)]
    return np.concatenate([array.take(np.arange(channels) % 3, axis) for array in planes])


def layout_of(spec: TensorSpec) -> Layout:
    """NHWC when only the last axis can be the channels of an image, else NCHW."""
    _, second, _, last = spec.shape
    return "NHWC" if last in (1, 3, 4) and second not in (1, 3, 4) else "NCHW"


def spatial(spec: TensorSpec) -> tuple[int, int, int]:
    """(channels, height, width) of a 4-D image input.

    Raises:
        ValueError: the input is not 4-D, or one of the three is dynamic.
    """
    if len(spec.shape) != 4 or None in spec.shape[1:]:
        raise ValueError(f"{spec} is not an image input of known size")
    _, a, b, c = (extent or 0 for extent in spec.shape)
    return (c, a, b) if layout_of(spec) == "NHWC" else (a, b, c)
