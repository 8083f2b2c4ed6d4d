"""One image or one input of a network, from the types that Python programs hold it in.

Arrays, tensors, PIL images and paths, told apart by protocol: no package is imported for them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

import numpy as np

from edgecnn.errors import DataUnreadable
from edgecnn_runtime.arrays import Array, Float32, UInt8
from edgecnn_runtime.errors import ImageError
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.tensor_spec import TensorSpec

Image: TypeAlias = Path | UInt8
"""A path, or (H, W, C) or (H, W) uint8."""
Value: TypeAlias = Image | Float32
"""An image; or an input of a network, float32 (1, …)."""
CHANNELS = (1, 3, 4)
LABELS_HINT = "; is it the labels? Give the images, or pairs that begin with them"


def is_input(value: Value) -> TypeGuard[Float32]:
    """Whether a value is an input as the network reads it."""
    return not is_image(value)


def is_image(value: Value) -> TypeGuard[Image]:
    """Whether a value is an image, which preprocessing makes an input of."""
    return isinstance(value, Path) or value.dtype == np.uint8


def is_array(value: object) -> bool:
    """Whether it is an array, a tensor, or nested lists of numbers."""
    if isinstance(value, list):
        while isinstance(value, list) and value:
            value = value[0]
        return isinstance(value, int | float)
    return hasattr(value, "__array__") and hasattr(value, "shape")


def is_single(value: object) -> bool:
    """Whether it is one image or one input, not a batch of them."""
    if isinstance(value, str | os.PathLike) or _is_picture(value):
        return True
    return is_array(value) and as_array(value).ndim in (2, 3) and not is_batch(as_array(value))


def is_batch(array: Array) -> bool:
    """Whether an array holds several images or inputs: (N, C, H, W), or grey images (N, H, W)."""
    if array.ndim != 3 or array.dtype != np.uint8:
        return array.ndim > 3
    return array.shape[0] not in CHANNELS and array.shape[-1] not in CHANNELS


def _is_picture(value: object) -> bool:
    """Whether it is an image of PIL."""
    return hasattr(value, "convert") and hasattr(value, "getbands")


def as_array(value: Any) -> Array:
    """The array of an array, of a tensor on any device and of any type, or of lists of numbers.

    Raises:
        DataUnreadable: numpy has no such array, as of a sparse tensor or of lists of other lengths.
    """
    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu()
            if "bfloat16" in str(value.dtype):  # which numpy does not have
                value = value.float()
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).split("\n", 1)[0].rstrip(".")
        raise DataUnreadable(
            f"is a {type(value).__name__} that is no array of numpy: {reason}"
        ) from error


def single_value(value: Any, spec: TensorSpec) -> Value:
    """One image or input, checked.

    Floats are inputs as the network reads them; bytes of colour are images, which the bundle's
    preprocessing makes inputs of.

    Raises:
        DataUnreadable: neither; the message goes on after the name of the item.
    """
    if isinstance(value, str | os.PathLike):
        return Path(value)
    if _is_picture(value):
        return _picture(value)
    if not is_array(value):
        hint = LABELS_HINT if isinstance(value, int | float) else ""
        raise DataUnreadable(f"is {described(value)}, {_expected(spec)}{hint}")
    array = as_array(value)
    if array.dtype.kind == "f" and array.shape == tuple(spec.shape[1:]):
        return _finite(array.astype(np.float32), spec)[None]
    if array.dtype == np.uint8 and array.ndim in (2, 3) and array.size:
        return _channels_last(array, spec)
    raise DataUnreadable(f"is {described(value)}, {_expected(spec)}{_hint(array, spec)}")


def _picture(value: Any) -> UInt8:
    """The pixels of an image of PIL as an app gets them: upright, and of 16 bits the top 8.

    Raises:
        DataUnreadable: its file is damaged; PIL reads it when its pixels are asked for.
    """
    try:
        return load_image(value)
    except ImageError as error:
        raise DataUnreadable(f"cannot be read: {error}") from error


def described(value: object) -> str:
    """What a value is: the type and the shape of an array, else its class."""
    if not is_array(value):
        return f"of type {type(value).__name__}"
    array = as_array(value)
    shape = "x".join(map(str, array.shape))
    return f"{array.dtype} {shape}" if shape else f"one number ({array.dtype})"


def _finite(array: Float32, spec: TensorSpec) -> Float32:
    wrong = array[~np.isfinite(array)]
    if wrong.size:
        raise DataUnreadable(
            f"holds {'NaN' if np.isnan(wrong).any() else 'infinity'} in {wrong.size:,} of "
            f"{array.size:,} values, expected finite numbers"
        )
    return array


def _channels_last(array: UInt8, spec: TensorSpec) -> UInt8:
    """An image (H, W) or (H, W, C), also of (C, H, W) as torchvision decodes it.

    Raises:
        DataUnreadable: neither the first nor the last axis can be channels.
    """
    if array.ndim == 2 or array.shape[-1] in CHANNELS:
        return array
    if array.shape[0] in CHANNELS:
        return np.ascontiguousarray(array.transpose(1, 2, 0))
    raise DataUnreadable(
        f"is {described(array)}, expected an image: uint8 HxWx3, 3xHxW, HxWx1 or HxW"
    )


def _expected(spec: TensorSpec) -> str:
    shape = "x".join(map(str, spec.shape[1:]))
    return f"expected an input float32 {shape}, or an image: uint8 HxWx3, PIL, or a path"


def _hint(array: Array, spec: TensorSpec) -> str:
    if array.ndim <= 1:
        return LABELS_HINT
    if array.dtype.kind == "f" and array.shape == (*spec.shape[2:], spec.shape[1]):
        return "; an input has its channels first: .transpose(2, 0, 1)"
    if array.dtype.kind in "iu":
        return f"; {array.dtype} is no type of images: .astype(numpy.uint8) for grey levels"
    return ""
