"""Loading of an image from a file, bytes, a Pillow image or an array, as RGB uint8."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeAlias, TypeGuard

import numpy as np

from edgecnn_runtime.arrays import UInt8
from edgecnn_runtime.errors import ImageError
from edgecnn_runtime.file_kind import other_than_file
from edgecnn_runtime.image.array_image import (
    ChannelOrder,
    as_array,
    check_colour,
    image_from_array,
)
from edgecnn_runtime.image.limits import (
    refuse_expensive,
    refuse_large_file,
    refuse_pixels,
    refuse_program,
)

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

# Pillow 13 loads its rarer decoders at the first image that needs one; another thread can then miss
# the one that its image needs, and call the image unknown.
_OPENING = threading.Lock()


class ArrayLike(Protocol):
    """An array of another library, such as a PyTorch tensor."""

    def __array__(self) -> Any: ...


ImageSource: TypeAlias = "str | os.PathLike[str] | bytes | UInt8 | ArrayLike | PillowImage"


def load_image(source: ImageSource, colour: ChannelOrder = "RGB") -> UInt8:
    """The image as (H, W, 3) uint8, RGB, upright.

    Grey is repeated into three channels and transparency is dropped, not blended: Pillow's
    ``convert("RGB")``, which training pipelines use. 16-bit grey levels of a file keep their top 8
    bits. Orientation in EXIF is applied to files and to Pillow images that carry it; an array, such
    as a frame of OpenCV, is never turned. An animation gives its first frame.

    Args:
        source: a path, the bytes of an image file, a Pillow image, a uint8 array (H, W), (H, W, 1),
            (H, W, 3) or (H, W, 4) with transparency, or a uint8 tensor of PyTorch, (C, H, W) or
            (H, W, C). The result may share its memory, or be read-only.
        colour: order of the channels of an array or tensor; OpenCV's frames are BGR.

    Raises:
        ImageError: the file is missing, damaged, too large or not an image; the array is not an
            image; `colour` is given for a file, whose colours are known; or Pillow, which decodes
            files, is not installed.
    """
    check_colour(colour)
    if isinstance(source, np.ndarray):
        return image_from_array(source, colour)
    if source is None:
        raise ImageError(
            "image is None, which cv2.imread returns for a file that is missing or no image; "
            "check the path"
        )
    if isinstance(source, bytes):
        name = f"image of {len(source)} bytes"
        _refuse_colour(name, colour)
        return _from_file(BytesIO(source), name)
    if _is_pillow(source):
        _refuse_colour("a Pillow image", colour)
        return _from_pillow(source)
    if isinstance(source, str | os.PathLike):
        return _from_path(source, colour)
    array = as_array(source)
    if array is None:
        raise ImageError(
            f"image is a {type(source).__name__}, expected a path, bytes, a Pillow image or a "
            "uint8 array; numpy.asarray turns most images into an array"
        )
    return image_from_array(array, colour)


def _refuse_colour(name: str, colour: ChannelOrder) -> None:
    if colour != "RGB":
        raise ImageError(
            f"{name} says itself which colour is which; leave out colour={colour!r}, which is for "
            "arrays such as OpenCV's frames"
        )


def _is_pillow(source: object) -> TypeGuard[PillowImage]:
    """Whether it is an image of Pillow, which whoever has one has imported."""
    # While another thread imports Pillow the module is there, and the class is not yet.
    kind = getattr(sys.modules.get("PIL.Image"), "Image", None)
    return kind is not None and isinstance(source, kind)


def _from_path(source: str | os.PathLike[str], colour: ChannelOrder) -> UInt8:
    name = f"image {os.fspath(source)!r}"
    _refuse_colour(name, colour)
    kind = other_than_file(source)
    if kind is not None:
        images = sorted(Path(source).glob("*.[jJpP][pPnN]*[gG]"))
        advice = f"pass the images in it, such as {images[0]}" if images else "check the path"
        raise ImageError(f"{name} is {kind}, expected a file; {advice}")
    try:
        with Path(source).open("rb") as file:
            return _from_file(file, name)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise ImageError(f"{name} cannot be opened: {reason}; check the path") from error


def _from_file(file: IO[bytes], name: str) -> UInt8:
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        from edgecnn_runtime.install_hint import install_hint

        raise ImageError(
            f"{name} needs Pillow, which is not installed; {install_hint('image')}, "
            "or pass a uint8 array"
        ) from error
    advice = "it is damaged or cut short, fetch it again"
    return _pixels(lambda: _decode(file, name), name, advice)


def _from_pillow(image: PillowImage) -> UInt8:
    name = f"Pillow image of {image.width}x{image.height}"

    def decode() -> PillowImage:
        refuse_program(image, name)
        refuse_pixels(image.size, name)
        return _upright(image.copy())  # the caller's stays as it is

    return _pixels(decode, name, "pass an open image, such as image.convert('RGB')")


def _pixels(decode: Callable[[], PillowImage], name: str, advice: str) -> UInt8:
    """The decoded image as (H, W, 3) RGB; Pillow's errors become one of ours."""
    from PIL import Image, UnidentifiedImageError

    try:
        image = decode()
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
        raise ImageError(f"{name} cannot be decoded: {_one_line(error)}; {advice}") from error
    if image.mode == "RGB":
        return np.asarray(image)
    return image_from_array(_grey_levels(image, name), "RGB")


def _decode(file: IO[bytes], name: str) -> PillowImage:
    """Decode a file; upright, and RGB unless it is grey of more than 8 bits, which RGB clips."""
    from PIL import Image

    refuse_large_file(file, name)
    with _OPENING:  # reads the header only
        image = Image.open(file)
    refuse_expensive(image, file, name)
    image.load()
    refuse_pixels(image.size, name)  # an icon's frame may be larger than its directory says
    return _upright(image)


def _upright(image: PillowImage) -> PillowImage:
    """The image turned as its EXIF says; RGB unless it is grey of more than 8 bits."""
    from PIL import ImageOps

    ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "RGB" or image.mode.startswith(("I", "F")):
        return image
    # Pillow warns before it drops a palette's transparency.
    image.info.pop("transparency", None)
    return image.convert("RGB")


def _grey_levels(image: PillowImage, name: str) -> UInt8:
    """Grey levels (H, W) in 8 bits of a grey image of more than 8 bits.

    Integers are read as 16-bit levels, floats as levels from 0 to 255.

    Raises:
        ImageError: they are none, or are of another range, in which all would be black.
    """
    levels = np.asarray(image)
    is_float = image.mode == "F"
    darkest, brightest = levels.min(), levels.max()
    within = darkest >= 0 and brightest <= (255 if is_float else 65535)
    # Floats up to 1 probably range from 0 to 1, and 32-bit integers up to 255 from 0 to 255; read
    # otherwise they would all be black.
    least = {"F": 1, "I": 255}.get(image.mode, 0)
    if not within or 0 < brightest <= least:
        raise ImageError(
            f"{name} has grey levels {darkest} to {brightest} (mode {image.mode}), expected "
            f"{'0 to 255' if is_float else '0 to 65535'}; scale them, or save it with 8 bits"
        )
    return (levels if is_float else levels >> 8).astype(np.uint8)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
