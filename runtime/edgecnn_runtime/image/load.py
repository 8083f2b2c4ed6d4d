"""Loading of an image from a file, bytes or an array, as RGB uint8."""

from __future__ import annotations

import os
import threading
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from edgecnn_runtime.arrays import Array, UInt8
from edgecnn_runtime.errors import ImageError
from edgecnn_runtime.file_kind import other_than_file
from edgecnn_runtime.image.limits import (
    refuse_expensive,
    refuse_large_file,
    refuse_long,
    refuse_pixels,
)

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

# Pillow 13 loads its rarer decoders at the first image that needs one; another thread can then miss
# the one that its image needs, and call the image unknown.
_OPENING = threading.Lock()

ImageSource = str | os.PathLike[str] | bytes | UInt8


def load_image(source: ImageSource) -> UInt8:
    """The image as (H, W, 3) uint8, RGB, upright.

    Grey is repeated into three channels and transparency is dropped, not blended: Pillow's
    ``convert("RGB")``, which training pipelines use. 16-bit grey levels keep their top 8 bits.
    Orientation in EXIF is applied; an animation gives its first frame.

    Args:
        source: a path, the bytes of an image file, or a uint8 array (H, W), (H, W, 1), (H, W, 3)
            RGB or (H, W, 4) RGBA. The result may share its memory, or be read-only.

    Raises:
        ImageError: the file is missing, damaged, too large or not an image; the array is not an
            image; or Pillow, which decodes files, is not installed.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, bytes):
        return _from_file(BytesIO(source), f"image of {len(source)} bytes")
    return _from_path(source)


def _from_array(array: Array) -> UInt8:
    if array.dtype != np.uint8:
        raise ImageError(
            f"image array is {array.dtype}, expected uint8; scale it to grey levels 0 to 255 first"
        )
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(
            f"image array has shape {array.shape}, expected (height, width) or (height, width, C) "
            "with C 1, 3 or 4; put the channels last, and pass one image at a time"
        )
    if array.size == 0:
        raise ImageError(
            f"image array has shape {array.shape}, expected at least one pixel; "
            "look at what produced it"
        )
    refuse_long(array.shape[:2], f"image array of shape {array.shape}")
    coloured: UInt8 = array if array.ndim == 3 else array[:, :, None]
    return coloured.repeat(3, axis=2) if coloured.shape[2] == 1 else coloured[:, :, :3]


def _from_path(source: object) -> UInt8:
    if not isinstance(source, str | os.PathLike):
        raise ImageError(
            f"image is a {type(source).__name__}, expected a path, bytes or a uint8 array; "
            "numpy.asarray turns most images into an array"
        )
    name = f"image {os.fspath(source)!r}"
    kind = other_than_file(source)
    if kind is not None:
        raise ImageError(f"{name} is {kind}, expected a file; check the path")
    try:
        with Path(source).open("rb") as file:
            return _from_file(file, name)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise ImageError(f"{name} cannot be opened: {reason}; check the path") from error


def _from_file(file: IO[bytes], name: str) -> UInt8:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        from edgecnn_runtime.install_hint import install_hint

        raise ImageError(
            f"{name} needs Pillow, which is not installed; {install_hint('image')}, "
            "or pass a uint8 array"
        ) from error
    try:
        image = _decode(file, name)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name} is in no format that Pillow reads; pass a JPEG, PNG or the like"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            f"{name} has more pixels than Pillow trusts ({_one_line(error)}); shrink it, or "
            "decode it yourself and pass a uint8 array"
        ) from error
    # Decoders raise many errors on a damaged file, struct.error and IndexError too.
    except Exception as error:
        raise ImageError(
            f"{name} cannot be decoded: {_one_line(error)}; "
            "it is damaged or cut short, fetch it again"
        ) from error
    return np.asarray(image) if image.mode == "RGB" else _from_array(_grey_levels(image, name))


def _decode(file: IO[bytes], name: str) -> PillowImage:
    """Decode a file; upright, and RGB unless it is grey of more than 8 bits, which RGB clips."""
    from PIL import Image, ImageOps

    refuse_large_file(file, name)
    with _OPENING:  # reads the header only
        image = Image.open(file)
    refuse_expensive(image, file, name)
    image.load()
    refuse_pixels(image.size, name)  # an icon's frame may be larger than its directory says
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "RGB" or image.mode.startswith(("I", "F")):
        return image
    # Pillow warns before it drops a palette's transparency.
    image.info.pop("transparency", None)
    return image.convert("RGB")


def _grey_levels(image: PillowImage, name: str) -> UInt8:
    """Grey levels (H, W) in 8 bits of a grey image of more than 8 bits.

    Integers are read as 16-bit levels, floats as levels from 0 to 255.
    """
    levels = np.asarray(image)
    is_float = image.mode == "F"
    darkest, brightest = levels.min(), levels.max()
    within = darkest >= 0 and brightest <= (255 if is_float else 65535)
    # Floats up to 1 probably range from 0 to 1; read as 0 to 255 they would all be black.
    if not within or (is_float and 0 < brightest <= 1):
        raise ImageError(
            f"{name} has grey levels {darkest} to {brightest} (mode {image.mode}), expected "
            f"{'0 to 255' if is_float else '0 to 65535'}; scale them, or save it with 8 bits"
        )
    return (levels if is_float else levels >> 8).astype(np.uint8)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
