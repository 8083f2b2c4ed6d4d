"""Table of common preprocessing differences (resizer, crop, colours, …), one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from edgecnn.verify.preprocess import applies
from edgecnn.verify.preprocess.resizers import (
    Resizer,
    by_opencv,
    by_pillow,
    by_torch,
    rounded,
    truncated,
)
from edgecnn.verify.preprocess.steps import crop_centre, normalise, prepare, recolour_and_resize
from edgecnn.zoo import IMAGENET
from edgecnn_runtime.arrays import Float32, UInt8
from edgecnn_runtime.manifest import Preprocess

Prepare = Callable[[UInt8, Preprocess], Float32]
Reason = Callable[[Preprocess], str]


@dataclass(frozen=True)
class Way:
    """A way to prepare an image: the bundle's own, but for what the name says.

    Attributes:
        stands_for: the code that does so.
        prepare: (H, W, 3) RGB to what the network reads, batch 1.
        inapplicable: why there is no such difference from a preprocessing; "" where there is.
        package: the module that it needs.
        extra: of edgecnn, that brings the module.
    """

    name: str
    stands_for: str
    prepare: Prepare
    inapplicable: Reason
    package: str = "PIL"
    extra: str = "image"


# The module that a way needs, and edgecnn's extra that brings it.
_OPENCV, _TORCH = ("cv2", "opencv"), ("torch", "export")
_ANTIALIASED = by_torch(antialias=True)


def _resized(resizer: Resizer) -> Prepare:
    return lambda image, spec: prepare(image, spec, resizer)


def _changed(**changes: Callable[[Preprocess], object]) -> Prepare:
    """The bundle's preprocessing with these fields changed, each by what the bundle says."""

    def changed(image: UInt8, spec: Preprocess) -> Float32:
        values = {name: change(spec) for name, change in changes.items()}
        return prepare(image, replace(spec, **values))  # type: ignore[arg-type] # of every field

    return changed


def _reverse_colours(image: UInt8, spec: Preprocess) -> Float32:
    return prepare(image[:, :, ::-1], spec)


def _crop_corner(image: UInt8, spec: Preprocess) -> Float32:
    assert spec.crop is not None
    height, width = spec.crop
    corner = recolour_and_resize(image, spec)[:height, :width]
    return normalise(crop_centre(corner, spec.crop), spec)


def _reshape(image: UInt8, spec: Preprocess) -> Float32:
    own = prepare(image, spec)
    other = own.transpose(0, 2, 3, 1) if spec.layout == "NCHW" else own.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(other).reshape(own.shape)


def _longest(size: object) -> int:
    assert isinstance(size, tuple)
    return max(int(side) for side in size)


def _resizing(
    name: str, stands_for: str, resizer: Resizer, package: str = "PIL", extra: str = "image"
) -> Way:
    return Way(name, stands_for, _resized(resizer), applies.is_resized, package, extra)


WAYS: tuple[Way, ...] = (
    *(
        _resizing(f"Pillow {name}", f"image.resize(size, {name.upper()})", by_pillow(name))
        for name in ("bilinear", "bicubic", "nearest")
    ),
    *(
        _resizing(f"OpenCV {name}", f"cv2.resize, INTER_{name.upper()}", by_opencv(name), *_OPENCV)
        for name in ("linear", "area")
    ),
    _resizing("torch bilinear", "interpolate(…, size)", by_torch(antialias=False), *_TORCH),
    _resizing("torch antialiased", "interpolate, antialias=True", _ANTIALIASED, *_TORCH),
    _resizing("the same, rounded", "then .round()", rounded(_ANTIALIASED), *_TORCH),
    _resizing("the same, cut", "then .to(torch.uint8)", truncated(_ANTIALIASED), *_TORCH),
    Way(
        "squashed",
        "resize((height, width))",
        _changed(resize=lambda spec: spec.crop, crop=lambda spec: None),
        applies.keeps_aspect,
    ),
    Way(
        "aspect kept",
        "resize(shorter), then crop",
        _changed(resize=lambda spec: _longest(spec.resize), crop=lambda spec: spec.resize),
        applies.squashes,
    ),
    Way(
        "no margin",
        "resize(224), not 256",
        _changed(resize=lambda spec: _longest(spec.crop)),
        applies.has_margin,
    ),
    Way(
        "not resized",
        "crop without resize",
        _changed(resize=lambda spec: None),
        applies.is_cut_from_resized,
    ),
    Way("cropped at a corner", "image[:224, :224]", _crop_corner, applies.is_cropped),
    Way("BGR for RGB", "cv2.imread, no cvtColor", _reverse_colours, applies.has_colours),
    Way(
        "mean, std left out",
        "ToTensor, no Normalize",
        _changed(
            mean=lambda spec: (0.0,) * len(spec.mean), std=lambda spec: (1.0,) * len(spec.std)
        ),
        applies.has_statistics,
    ),
    Way(
        "mean, std swapped",
        "Normalize(std, mean)",
        _changed(mean=lambda spec: spec.std, std=lambda spec: spec.mean),
        applies.has_swappable,
    ),
    Way(
        "0…255",
        "Normalize, no / 255",
        _changed(scale=lambda spec: 1.0),
        applies.is_scaled,
    ),
    Way(
        "−1…1",
        "pixels / 127.5 - 1",
        _changed(
            scale=lambda spec: 1 / 127.5,
            mean=lambda spec: (1.0,) * len(spec.mean),
            std=lambda spec: (1.0,) * len(spec.std),
        ),
        applies.is_not_signed,
    ),
    Way(
        "ImageNet's mean, std",
        "Normalize, by habit",
        _changed(
            scale=lambda spec: IMAGENET.scale,
            mean=lambda spec: IMAGENET.mean,
            std=lambda spec: IMAGENET.std,
        ),
        applies.is_not_imagenet,
    ),
    Way("reshaped", "reshape for transpose", _reshape, applies.has_colours),
)
