"""Preprocessing of a decoded image into a network's input; the same code on every device."""

from __future__ import annotations

import numpy as np

from edgecnn_runtime.arrays import Float32, UInt8
from edgecnn_runtime.errors import ImageError
from edgecnn_runtime.image.resample import resize
from edgecnn_runtime.manifest import Colour, Preprocess

# Of a network's input: 768 MB in float32 and three channels.
MAX_PIXELS = 1 << 26


def preprocess(image: UInt8, spec: Preprocess) -> Float32:
    """The network's input from an image: recoloured, resized, cropped, normalised, batch of 1.

    Equal to torchvision's Resize, CenterCrop, ToTensor and Normalize on a Pillow image: same
    sizes, same crop, same grey levels; the arithmetic after that differs by float32 rounding.

    Args:
        image: (H, W, 3) RGB, as `load_image` returns it.
        spec: the preprocessing that the network was trained with.

    Returns:
        (1, C, height, width), or (1, height, width, C) for the layout NHWC; contiguous.

    Raises:
        ImageError: the input would be far larger than any network reads.
    """
    height, width = size = resized_size(image.shape[:2], spec.resize)
    made = spec.crop or size
    if made[0] * made[1] > MAX_PIXELS:
        raise ImageError(
            f"image of {image.shape[0]}x{image.shape[1]} pixels becomes an input of "
            f"{made[0]}x{made[1]}, expected at most {MAX_PIXELS} pixels; crop it, or look at the "
            "bundle's preprocessing"
        )
    coloured = recolour(image, spec.colour)
    rows, above = centre(height, spec.crop[0] if spec.crop else height)
    columns, left = centre(width, spec.crop[1] if spec.crop else width)
    region = resize(coloured, size, spec.filter, rows, columns)
    return _normalise(region, spec, (above, left), spec.crop or size)


def recolour(image: UInt8, colour: Colour) -> UInt8:
    """Channel order `colour` from (H, W, 3) RGB: (H, W, 3), or (H, W, 1) for L.

    L is the luma of ITU-R 601-2, ``(19595 R + 38470 G + 7471 B) / 65536``, rounded as Pillow does.
    """
    if colour == "RGB":
        return image
    if colour == "BGR":
        return image[:, :, ::-1]
    luma = np.full(image.shape[:2], 1 << 15, np.uint32)
    for channel, weight in enumerate((19595, 38470, 7471)):
        luma += np.multiply(image[:, :, channel], weight, dtype=np.uint32)
    return (luma >> 16).astype(np.uint8)[:, :, None]


def resized_size(size: tuple[int, ...], resize: int | tuple[int, int] | None) -> tuple[int, int]:
    """Size (height, width) in pixels after `Preprocess.resize`, by torchvision's rule.

    The longer side is truncated to a whole pixel, not rounded.
    """
    height, width = size
    if resize is None:
        return height, width
    if not isinstance(resize, int):
        return resize[0], resize[1]
    longer = int(resize * max(size) / min(size))
    return (longer, resize) if height > width else (resize, longer)


def centre(length: int, wanted: int) -> tuple[range, int]:
    """Centre crop of one axis: positions of the middle `wanted`, and the zeros to pad before them.

    torchvision's rule: half to even when cropping, down when padding.
    """
    if wanted > length:
        return range(length), (wanted - length) // 2
    start = round((length - wanted) / 2)
    return range(start, start + wanted), 0


def _normalise(
    region: UInt8, spec: Preprocess, corner: tuple[int, int], size: tuple[int, int]
) -> Float32:
    """``(region * scale - mean) / std`` at `corner` (top, left) of a black image of `size`.

    One multiplication and one addition: ``pixel * (scale / std) - mean / std``.
    """
    std = np.array(spec.std)
    gain = (spec.scale / std).astype(np.float32)[:, None, None]
    offset = (-np.array(spec.mean) / std).astype(np.float32)[:, None, None]
    height, width, channels = region.shape
    if spec.layout == "NCHW":
        result = np.empty((1, channels, *size), np.float32)
        planes = result[0]
    else:
        result = np.empty((1, *size, channels), np.float32)
        planes = result[0].transpose(2, 0, 1)
    if (height, width) != size:
        planes[...] = offset
    top, left = corner
    target = planes[:, top : top + height, left : left + width]
    np.multiply(region.transpose(2, 0, 1), gain, out=target)
    target += offset
    return result
