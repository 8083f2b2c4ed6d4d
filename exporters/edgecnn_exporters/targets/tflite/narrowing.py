"""Conversion of constants to 32-bit and 16-bit types for TFLite's kernels."""

from __future__ import annotations

import numpy as np

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_runtime.arrays import Array


def narrow(array: Array) -> Array:
    """Numbers as TFLite's kernels take them: 32 bits, not 64."""
    if array.dtype == np.int64:
        limits = np.iinfo(np.int32)
        # ONNX writes "to the end" as the largest integer.
        return np.clip(array, limits.min, limits.max).astype(np.int32)
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def halve(array: Array, name: str) -> Array:
    """The numbers as float16.

    Raises:
        UnsupportedModel: a number is larger than 16 bits hold.
    """
    limit = np.finfo(np.float16).max
    if np.abs(array).max(initial=0) > limit:
        raise UnsupportedModel(
            f"{name} holds {np.abs(array).max():.3g}, more than the {limit:.0f} of 16-bit floats; "
            "export fp32"
        )
    return array.astype(np.float16)
