"""Applicability of a way to preprocess: "" where it differs from the bundle's, else why not."""

from __future__ import annotations

import numpy as np

from edgecnn.zoo import IMAGENET
from edgecnn_runtime.manifest import Preprocess


def is_resized(spec: Preprocess) -> str:
    return "" if spec.resize else "the bundle resizes nothing"


def is_cropped(spec: Preprocess) -> str:
    return "" if spec.crop else "the bundle crops nothing"


def is_cut_from_resized(spec: Preprocess) -> str:
    return is_resized(spec) or is_cropped(spec)


def keeps_aspect(spec: Preprocess) -> str:
    return is_cropped(spec) or (
        "" if isinstance(spec.resize, int) else "the bundle squashes as well"
    )


def has_margin(spec: Preprocess) -> str:
    is_wider = isinstance(spec.resize, int) and spec.crop and spec.resize > max(spec.crop)
    return "" if is_wider else "the bundle has no margin to cut away"


def squashes(spec: Preprocess) -> str:
    is_squashed = isinstance(spec.resize, tuple) and not spec.crop
    return "" if is_squashed else "the bundle keeps it as well"


def has_colours(spec: Preprocess) -> str:
    return "the network reads one channel" if spec.colour == "L" else ""


def has_statistics(spec: Preprocess) -> str:
    own = any(spec.mean) or any(value != 1 for value in spec.std)
    return "" if own else "the bundle has mean 0 and deviation 1"


def has_swappable(spec: Preprocess) -> str:
    if spec.mean == spec.std:
        return "mean and deviation are equal"
    return "" if all(spec.mean) else "nothing can be divided by a mean of 0"


def is_scaled(spec: Preprocess) -> str:
    return "" if spec.scale != 1 else "the bundle does not scale either"


def is_not_signed(spec: Preprocess) -> str:
    gain, offset = spec.scale / np.array(spec.std), np.array(spec.mean) / np.array(spec.std)
    is_signed = np.allclose(gain, 1 / 127.5) and np.allclose(offset, 1)
    return "the bundle does so as well" if is_signed else ""


def is_not_imagenet(spec: Preprocess) -> str:
    is_same = (spec.scale, spec.mean, spec.std) == (IMAGENET.scale, IMAGENET.mean, IMAGENET.std)
    return "the bundle does so as well" if is_same else has_colours(spec)
