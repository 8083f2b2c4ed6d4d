"""Cases of Resize; what PyTorch lacks is a matrix of each axis, from ONNX's definition."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor
from typing import Any

import numpy as np
import torch
from torch.nn import functional as f
from unit.exporters.gradient.node_gradients import Case, Fixed, fixed, normal

from edgecnn_runtime.arrays import Array

COORDINATES: dict[str, Callable[[int, int, int, float], float]] = {
    "half_pixel": lambda x, before, after, scale: (x + 0.5) / scale - 0.5,
    "pytorch_half_pixel": lambda x, before, after, scale: (
        (x + 0.5) / scale - 0.5 if after > 1 else 0.0
    ),
    "align_corners": lambda x, before, after, scale: (
        x * (before - 1) / (after - 1) if after > 1 else 0.0
    ),
    "asymmetric": lambda x, before, after, scale: x / scale,
}


def symmetric(x: int, before: int, after: int, scale: float) -> float:
    """half_pixel_symmetric: as half_pixel, about the middle of the image."""
    adjustment = after / (scale * before)
    return before / 2 * (1 - adjustment) + (x + 0.5) / scale - 0.5


COORDINATES["half_pixel_symmetric"] = symmetric
ROUNDINGS: dict[str, Callable[[float], int]] = {
    "floor": floor,
    "ceil": ceil,
    "round_prefer_floor": lambda x: ceil(x - 0.5),
    "round_prefer_ceil": lambda x: floor(x + 0.5),
}


def matrix(
    before: int, after: int, coordinates: str, rounding: str | None, scale: float | None = None
) -> Array:
    """What each place of an axis is made of: (after, before); linear without a rounding."""
    made = np.zeros((after, before))
    for place in range(after):
        at = COORDINATES[coordinates](place, before, after, scale or after / before)
        if rounding is not None:
            made[place, np.clip(ROUNDINGS[rounding](at), 0, before - 1)] = 1
            continue
        low = floor(at)
        for source, weight in ((low, 1 - (at - low)), (low + 1, at - low)):
            made[place, np.clip(source, 0, before - 1)] += weight
    return made


def cropped(before: int, after: int, begin: float, end: float) -> Array:
    """tf_crop_and_resize, linear: places outside of the image are made of nothing."""
    made = np.zeros((after, before))
    for place in range(after):
        at = begin * (before - 1) + place * (end - begin) * (before - 1) / (after - 1)
        low = floor(at)
        if 0 <= at <= before - 1:
            made[place, low] += 1 - (at - low)
            made[place, min(low + 1, before - 1)] += at - low
    return made


def separable(rows: Array, columns: Array) -> Callable[[torch.Tensor], torch.Tensor]:
    def resize(x: torch.Tensor) -> torch.Tensor:
        first, second = (torch.tensor(each, dtype=x.dtype) for each in (rows, columns))
        return first @ x @ second.T

    return resize


def by_matrices(coordinates: str, rounding: str | None) -> Case:
    """From 4 x 5 to 7 x 3 pixels."""
    rows, columns = (
        matrix(before, after, coordinates, rounding) for before, after in ((4, 7), (5, 3))
    )
    attributes: dict[str, Any] = {"coordinate_transformation_mode": coordinates}
    if rounding is None:
        attributes["mode"] = "linear"
    else:
        attributes |= {"mode": "nearest", "nearest_mode": rounding}
    return Case(
        f"{attributes['mode']} {coordinates} {rounding or ''}".strip(),
        "Resize",
        [normal(3, 2, 4, 5), None, None, fixed(3, 2, 7, 3)],
        separable(rows, columns),
        attributes,
        opset=19,
    )


def by_factors(
    name: str, factors: tuple[float, float], function: Any, opset: int = 18, **attributes: Any
) -> Case:
    scales = Fixed(np.array([1, 1, *factors], np.float32))
    inputs = [normal(3, 2, 4, 5), None, scales]
    return Case(name, "Resize", inputs, function, attributes, opset=opset)


HALF = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
RESIZES = [
    *(by_matrices(coordinates, None) for coordinates in COORDINATES),
    *(
        by_matrices(coordinates, rounding)
        for coordinates in COORDINATES
        for rounding in ROUNDINGS
        # Of its coordinates some are integers, but for a rounding.
        if coordinates != "half_pixel_symmetric"
    ),
    by_factors(
        "nearest twice",
        (2, 2),
        lambda x: f.interpolate(x, scale_factor=2, mode="nearest"),
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    by_factors(
        "nearest thrice in one axis",
        (3, 1),
        lambda x: x.repeat_interleave(3, 2),
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    by_factors(
        "linear twice",
        (2, 2),
        lambda x: f.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False),
        **HALF,
    ),
    by_factors(
        "linear by a factor that is rounded",
        (1.6, 0.7),
        separable(matrix(4, 6, "half_pixel", None, 1.6), matrix(5, 3, "half_pixel", None, 0.7)),
        **HALF,
    ),
    by_factors(
        "cubic twice",
        (2, 2),
        lambda x: f.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False),
        mode="cubic",
        coordinate_transformation_mode="half_pixel",
    ),
    by_factors(
        "linear by a factor about the middle",
        (1.6, 0.7),
        separable(
            matrix(4, 6, "half_pixel_symmetric", None, 1.6),
            matrix(5, 3, "half_pixel_symmetric", None, 0.7),
        ),
        19,
        mode="linear",
        coordinate_transformation_mode="half_pixel_symmetric",
    ),
    Case(
        "linear of a window that goes beyond the image",
        "Resize",
        [
            normal(3, 2, 4, 5),
            Fixed(np.array([0, 0, 0.1, -0.2, 1, 1, 0.9, 0.7], np.float32)),
            None,
            fixed(3, 2, 6, 4),
        ],
        separable(cropped(4, 6, 0.1, 0.9), cropped(5, 4, -0.2, 0.7)),
        {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"},
    ),
    Case(
        "linear without aliases",
        "Resize",
        [normal(3, 2, 8, 9), None, None, fixed(3, 2, 3, 4)],
        lambda x: f.interpolate(x, (3, 4), mode="bilinear", antialias=True),
        {**HALF, "antialias": 1, "exclude_outside": 1},
    ),
    Case(
        "linear of a volume",
        "Resize",
        [normal(3, 2, 2, 3, 2), None, Fixed(np.array([1, 1, 2, 2, 2], np.float32))],
        lambda x: f.interpolate(x, scale_factor=2, mode="trilinear"),
        HALF,
    ),
    Case(
        "nearest of a line",
        "Resize",
        [normal(3, 2, 5), None, None, fixed(3, 2, 12)],
        lambda x: f.interpolate(x, 12, mode="nearest"),
        {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    ),
]
