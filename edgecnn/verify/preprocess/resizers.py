"""Image resizers of Pillow, OpenCV and PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgecnn_runtime.arrays import Array, UInt8

# Grey levels 0…255 as (height, width, C), whole or not.
# (height, width, C) and the wanted (height, width).
Resizer = Callable[[UInt8, tuple[int, int]], Array]


def by_pillow(name: str) -> Resizer:
    """`Image.resize` with the filter of that name, channel by channel as Pillow itself does."""

    def resize(image: UInt8, size: tuple[int, int]) -> Array:
        from PIL import Image

        filter = Image.Resampling[name.upper()]
        planes = [
            np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size[::-1], filter))
            for plane in np.moveaxis(image, -1, 0)
        ]
        return np.stack(planes, axis=-1)

    return resize


def by_opencv(name: str) -> Resizer:
    """`cv2.resize` with the interpolation ``INTER_`` and that name."""

    def resize(image: UInt8, size: tuple[int, int]) -> Array:
        import cv2

        mode = getattr(cv2, f"INTER_{name.upper()}")
        contiguous = np.ascontiguousarray(image)
        resized = np.asarray(cv2.resize(contiguous, size[::-1], interpolation=mode))
        # It drops the axis of a single channel.
        return resized.reshape(*size, image.shape[-1])

    return resize


def by_torch(*, antialias: bool) -> Resizer:
    """`torch.nn.functional.interpolate`, bilinear, on floats: grey levels stay fractions."""

    def resize(image: UInt8, size: tuple[int, int]) -> Array:
        import torch

        planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float()
        resized = torch.nn.functional.interpolate(
            planes[None], size, mode="bilinear", align_corners=False, antialias=antialias
        )
        return resized[0].numpy().transpose(1, 2, 0)

    return resize


def rounded(resizer: Resizer) -> Resizer:
    """Fractions become the nearest grey level."""
    return lambda image, size: np.round(resizer(image, size)).clip(0, 255)


def truncated(resizer: Resizer) -> Resizer:
    """Truncate fractions, as `astype(uint8)` does."""

    def resize(image: UInt8, size: tuple[int, int]) -> Array:
        # What float32 leaves a hair below a whole level counts as that level.
        return np.floor(resizer(image, size) + 1e-4).clip(0, 255)

    return resize
