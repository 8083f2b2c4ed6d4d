"""Images given as arrays: numpy arrays and PyTorch tensors, their channel order, their refusals."""

from __future__ import annotations

import sys
from typing import Any, Literal, get_args

import numpy as np

from edgecnn_runtime.arrays import Array, UInt8
from edgecnn_runtime.errors import ImageError
from edgecnn_runtime.image.limits import refuse_long

ChannelOrder = Literal["RGB", "BGR"]
CHANNELS = (1, 3, 4)
# What turns an array of that kind into grey levels of 8 bits.
_TO_UINT8 = {
    "f": "a float image from 0 to 1 becomes one by (image * 255).round().astype('uint8'), and a "
    "preprocessed input goes to run()",
    "u": "16-bit grey levels become 8-bit ones by (image >> 8).astype('uint8')",
    "i": "grey levels from 0 to 255 become uint8 by image.astype('uint8')",
    "b": "a mask becomes an image by image.astype('uint8') * 255",
    "O": "numpy makes it of images of different sizes: pass the list of images itself",
}


def image_from_array(array: Array, colour: ChannelOrder) -> UInt8:
    """The image as (H, W, 3) RGB, a view wherever the array has colours.

    Args:
        array: uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) with transparency, which is dropped.
        colour: order of the array's channels; OpenCV's frames are BGR.

    Raises:
        ImageError: it is no image; names its type or shape and what would be one.
    """
    if array.dtype != np.uint8:
        raise ImageError(
            f"image array is {array.dtype}, expected uint8; "
            f"{_TO_UINT8.get(array.dtype.kind, 'look at what produced it')}"
        )
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in CHANNELS):
        raise ImageError(
            f"image array has shape {array.shape}, expected (height, width) or (height, width, C) "
            f"with C 1, 3 or 4; {_advice(array.shape)}"
        )
    if array.size == 0:
        raise ImageError(
            f"image array has shape {array.shape}, expected at least one pixel; "
            "look at what produced it"
        )
    refuse_long(array.shape[:2], f"image array of shape {array.shape}")
    coloured: UInt8 = array if array.ndim == 3 else array[:, :, None]
    if coloured.shape[2] == 1:
        return coloured.repeat(3, axis=2)
    return coloured[:, :, :3] if colour == "RGB" else coloured[:, :, 2::-1]


def check_colour(colour: str) -> None:
    """Refuse a channel order other than RGB and BGR.

    Raises:
        ImageError: it is another word.
    """
    if colour not in get_args(ChannelOrder):
        raise ImageError(
            f"colour is {colour!r}, expected 'RGB' or 'BGR': the order of the channels in an "
            "array; frames of OpenCV are 'BGR'"
        )


def as_array(source: object) -> Array | None:
    """The source as a numpy array, channels last; None if it is no array.

    Args:
        source: a numpy array, a PyTorch tensor, or another library's array.

    Raises:
        ImageError: it is a tensor that is no image, or that can be read in two ways.
    """
    if isinstance(source, np.ndarray):
        return source
    # Whoever has a tensor has imported torch; another thread may be importing it at this moment.
    tensor = getattr(sys.modules.get("torch"), "Tensor", None)
    if tensor is not None and isinstance(source, tensor):
        return _from_tensor(source)
    return np.asarray(source) if hasattr(source, "__array__") else None


def _from_tensor(tensor: Any) -> Array:
    """A PyTorch tensor (H, W), CHW, HWC, NCHW or NHWC as an array with its channels last."""
    shape, dtype = tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")
    if dtype != "uint8":
        raise ImageError(
            f"image tensor is {dtype}, expected uint8; a tensor from 0 to 1 becomes an image by "
            "(image * 255).round().to(torch.uint8), and a preprocessed one goes to run() as "
            "tensor.numpy()"
        )
    try:
        array: Array = tensor.detach().cpu().numpy()
    except (TypeError, RuntimeError) as error:  # a sparse tensor, or one without values
        reason = " ".join(str(error).split())
        raise ImageError(f"image tensor of shape {shape} has no array: {reason}") from error
    if array.ndim not in (3, 4):
        return array
    is_first, is_last = shape[-3] in CHANNELS, shape[-1] in CHANNELS
    if is_first and is_last:
        raise ImageError(
            f"image tensor has shape {shape}, whose channels may be the first or the last axis; "
            "pass an array with the channels last: tensor.permute(1, 2, 0).numpy()"
        )
    return np.moveaxis(array, -3, -1) if is_first else array


def _advice(shape: tuple[int, ...]) -> str:
    """The next step for an array whose shape is no image's."""
    if len(shape) == 3 and shape[0] in CHANNELS:
        return "its channels seem to come first: pass image.transpose(1, 2, 0)"
    if len(shape) == 4:
        return "pass one image at a time"
    return "put the channels last"
