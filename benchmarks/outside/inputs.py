"""Seeded inputs that no export saw: turned crops of photographs, and fallen leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from edgecnn_exporters.capture.examples import NAMES, photograph
from edgecnn_runtime.arrays import Float32, UInt8

COUNT = 4
CALIBRATION = 64
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
KINDS = ("photographs", "leaves")


def own_inputs(kind: str, size: int) -> Float32:
    """(COUNT, 3, size, size) to judge with."""
    random = np.random.default_rng(KINDS.index(kind) + 1)
    draw = _crop if kind == "photographs" else _leaves
    return _normalise([draw(random, number, size) for number in range(COUNT)])


def calibration_inputs(size: int) -> Float32:
    """(CALIBRATION, 3, size, size): other crops of the photographs, turned and coloured alike."""
    random = np.random.default_rng(0)
    return _normalise([_crop(random, number, size) for number in range(CALIBRATION)])


def _normalise(images: list[UInt8]) -> Float32:
    """NCHW, as ImageNet's."""
    scaled = (np.stack(images) / 255 - np.array(MEAN)) / np.array(STD)
    batch: Float32 = np.ascontiguousarray(scaled.transpose(0, 3, 1, 2).astype(np.float32))
    return batch


def _crop(random: np.random.Generator, number: int, size: int) -> UInt8:
    """A random part of a photograph, turned by a right angle, its colours in another order."""
    image = photograph(NAMES[number % len(NAMES)])
    side = int(min(image.shape[:2]) * random.uniform(0.4, 0.8))
    top, left = (random.integers(extent - side) for extent in image.shape[:2])
    part = np.rot90(image[top : top + side, left : left + side], random.integers(1, 4))
    part = np.ascontiguousarray(part[..., random.permutation(3)])
    return np.asarray(Image.fromarray(part).resize((size, size), Image.Resampling.BILINEAR))


def _leaves(random: np.random.Generator, number: int, size: int) -> UInt8:
    """Discs of one colour each that fall on one another: edges at every scale, as in nature."""
    image = np.zeros((size, size, 3), np.uint8)
    rows, columns = np.mgrid[:size, :size]
    for _ in range(150):
        radius = size * 0.04 / random.uniform(0.05, 1)
        row, column = random.uniform(0, size, 2)
        inside: Any = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        image[inside] = random.integers(0, 256, 3)
    return image
