"""The ways to resize that people reach for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
# Grey levels 0…255 as (height, width, C), whole or not.
Levels = np.ndarray[Any, np.dtype[Any]]
# (height, width, C) and the wanted (height, width).
Resizer = Callable[[UInt8, tuple[int, int]], Levels]


def by_pillow(name: str) -> Resizer:
    """`Image.resize` with the filter of that name, channel by channel as Pillow itself does."""

    def resize(image: UInt8, size: tuple[int, int]) -> Levels:
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

    def resize(image: UInt8, size: tuple[int, int]) -> Levels:
        import cv2

        mode = getattr(cv2, f"INTER_{name.upper()}")
        contiguous = np.ascontiguousarray(image)
        found = np.asarray(cv2.resize(contiguous, size[::-1], interpolation=mode))
        # It drops the axis of a single channel.
        return found.reshape(*size, image.shape[-1])

    return resize


def by_torch(*, antialias: bool) -> Resizer:
    """`torch.nn.functional.interpolate`, bilinear, on floats: grey levels stay fractions."""

    def resize(image: UInt8, size: tuple[int, int]) -> Levels:
        import torch

        planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float()
        found = torch.nn.functional.interpolate(
            planes[None], size, mode="bilinear", align_corners=False, antialias=antialias
        )
        return found[0].numpy().transpose(1, 2, 0)

    return resize


def rounded(resizer: Resizer) -> Resizer:
    """Fractions become the nearest grey level."""
    return lambda image, size: np.round(resizer(image, size)).clip(0, 255)


def truncated(resizer: Resizer) -> Resizer:
    """What `astype(uint8)` makes of the fractions: every one of them cut off."""

    def resize(image: UInt8, size: tuple[int, int]) -> Levels:
        # What float32 leaves a hair below a whole level counts as that level.
        return np.floor(resizer(image, size) + 1e-4).clip(0, 255)

    return resize
