"""Example inputs: edgecnn's photographs, preprocessed for any network, or seeded noise.

Networks of images are compared on photographs, not on noise: noise leaves most channels of a
trained network inactive, and a fault in an inactive channel shows in no output.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from edgecnn_exporters.errors import InputMismatch
from edgecnn_runtime.arrays import Float32, UInt8
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Layout, Preprocess
from edgecnn_runtime.tensor_spec import TensorSpec

# An input of another number of channels is no image.
IMAGE_CHANNELS = (1, 3, 4)
# Of noise in place of an input that is no image, and of which no samples were given.
PLAIN_RANGE = (-1.0, 1.0)
NAMES = ("cat", "coffee", "rocket", "astronaut")
# Crops of a photograph: top, left and extent, in shares of its height and width.
WINDOWS = (
    (0.0, 0.0, 0.7),
    (0.3, 0.3, 0.7),
    (0.0, 0.4, 0.6),
    (0.4, 0.0, 0.6),
    (0.25, 0.25, 0.5),
    (0.1, 0.1, 0.8),
)


@dataclass(frozen=True)
class GivenExamples:
    """Inputs of the user's to compare on and to pack.

    Attributes:
        inputs: (N, …), as the network reads them.
        images: what they were made from, (H, W, C) each; empty where they are no images.
    """

    inputs: Float32
    images: tuple[UInt8, ...] = ()


@cache
def photograph(name: str) -> UInt8:
    """One of `NAMES` as (H, W, 3) uint8. Origin and licence: photographs/README.md."""
    folder = resources.files("edgecnn_exporters") / "photographs"
    return load_image((folder / f"{name}.jpg").read_bytes())


def example_images(count: int) -> list[UInt8]:
    """`count` different images: the photographs, their mirror images, then crops of either.

    Every four in a row show the four photographs; crops of one photograph show other parts of it.
    """
    images = [photograph(name) for name in NAMES]
    images += [image[:, ::-1] for image in images]
    number = 0
    while len(images) < count:
        turn, place = divmod(number, len(WINDOWS))
        is_mirrored = (turn + place) % 2 == 1
        crops = (_crop(photograph(name), *WINDOWS[place], 0.9 ** (turn // 2)) for name in NAMES)
        images += [image[:, ::-1] if is_mirrored else image for image in crops]
        number += 1
    return images[:count]


def _crop(image: UInt8, top: float, left: float, share: float, shrunk: float) -> UInt8:
    """A part of the image, all numbers in shares of height and width."""
    height, width = image.shape[:2]
    first, begin = int(top * height), int(left * width)
    extent = share * shrunk
    return image[
        first : first + max(1, int(extent * height)), begin : begin + max(1, int(extent * width))
    ]


def example_batch(spec: TensorSpec, prepare: Preprocess | None, count: int) -> Float32:
    """`count` images as the input `spec`, through the bundle's preprocessing where there is one.

    A network without preprocessing gets the images' colour planes in turn, scaled to -1…1.

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


def reads_images(spec: TensorSpec, prepare: Preprocess | None) -> bool:
    """Whether a network reads images, by its preprocessing or the number of its channels."""
    return prepare is not None or spatial(spec)[0] in IMAGE_CHANNELS


def noise_batch(spec: TensorSpec, low: float, high: float, count: int) -> Float32:
    """`count` inputs of seeded noise from `low` to `high`.

    Coarse and fine together, as in nature: white noise averages out in the first layer, and leaves
    most channels inactive.
    """
    channels, height, width = spatial(spec)
    generator = np.random.default_rng(0)
    noise = np.zeros((count, channels, height, width))
    size = 1
    while size <= max(height, width):
        rows, columns = -(-height // size), -(-width // size)
        patches = generator.standard_normal((count, channels, rows, columns))
        noise += patches.repeat(size, 2).repeat(size, 3)[:, :, :height, :width]
        size *= 2
    scaled = low + (noise - noise.min()) / (noise.max() - noise.min()) * (high - low)
    ordered = scaled if layout_of(spec) == "NCHW" else scaled.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(ordered, np.float32)


def layout_of(spec: TensorSpec) -> Layout:
    """NHWC when only the last axis can be the channels of an image, else NCHW."""
    _, second, _, last = spec.shape
    return "NHWC" if last in IMAGE_CHANNELS and second not in IMAGE_CHANNELS else "NCHW"


def spatial(spec: TensorSpec) -> tuple[int, int, int]:
    """(channels, height, width) of a 4-D image input.

    Raises:
        ValueError: the input is not 4-D, or one of the three is dynamic.
    """
    if len(spec.shape) != 4 or None in spec.shape[1:]:
        raise ValueError(f"{spec} is not an image input of known size")
    _, a, b, c = (extent or 0 for extent in spec.shape)
    return (c, a, b) if layout_of(spec) == "NHWC" else (a, b, c)
