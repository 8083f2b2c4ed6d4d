"""Planted outliers: calibration images unlike any that the network will see."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgecnn_runtime.arrays import UInt8

Generator = np.random.Generator
CONTRAST = 8
# Share of a line drawing's pixels that are lines.
LINES = 0.1


def plant(images: Sequence[UInt8], share: float, seed: int = 0) -> list[UInt8]:
    """Replace that share of the images, one at least; every kind of outlier comes in turn."""
    generator = np.random.default_rng(seed)
    count = max(1, round(share * len(images)))
    planted = list(images)
    for number, place in enumerate(generator.permutation(len(images))[:count]):
        planted[place] = KINDS[number % len(KINDS)](images[place], generator)
    return planted


def saturated(image: UInt8, _: Generator) -> UInt8:
    """Eight times the contrast about mid-grey, clipped."""
    return np.clip((image - 127.5) * CONTRAST + 127.5, 0, 255).astype(np.uint8)


def white(image: UInt8, _: Generator) -> UInt8:
    return np.full_like(image, 255)


def black(image: UInt8, _: Generator) -> UInt8:
    return np.zeros_like(image)


def noise(image: UInt8, generator: Generator) -> UInt8:
    """Every level of every pixel as likely."""
    return generator.integers(0, 256, image.shape, np.uint8)


def line_drawing(image: UInt8, _: Generator) -> UInt8:
    """Black where the image's grey changes most, white elsewhere."""
    down, right = np.gradient(image.mean(axis=2))
    slope = np.hypot(down, right)
    drawing = np.where(slope > np.quantile(slope, 1 - LINES), 0, 255).astype(np.uint8)
    return drawing[:, :, None].repeat(image.shape[2], axis=2)


KINDS: tuple[Callable[[UInt8, Generator], UInt8], ...] = (
    *(saturated, white, black, noise, line_drawing),
)
