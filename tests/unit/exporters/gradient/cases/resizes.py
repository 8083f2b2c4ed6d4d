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
    )


def by_factors(name: str, factors: tuple[float, float], function: Any, **attributes: Any) -> Case:
    scales = Fixed(np.array([1, 1, *factors], np.float32))
    return Case(name, "Resize", [normal(3, 2, 4, 5), None, scales], function, attributes)


HALF = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
RESIZES = [
    *(by_matrices(coordinates, None) for coordinates in COORDINATES),
    *(by_matrices(coordinates, rounding) for coordinates in COORDINATES for rounding in ROUNDINGS),
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
]
