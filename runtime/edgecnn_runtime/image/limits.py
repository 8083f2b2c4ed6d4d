"""Limits of image files: bytes, pixels, length of a side, scans of a progressive JPEG."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING

from edgecnn_runtime.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

MAX_FILE_BYTES = 512 << 20
# Pillow's own limit, above which it warns of a decompression bomb: 360 MB decoded.
MAX_PIXELS = 89_478_485
# Of one side: a resampling plan's memory grows with it. JPEG has no longer ones.
MAX_SIDE = 1 << 16
# Cameras and browsers know ten. Each scan passes over all pixels, 30 ms at the most of them, and
# may be a hundred bytes long.
MAX_SCANS = 100
# Formats for which Pillow starts another program (Ghostscript) or asks the system to draw.
PROGRAMS = ("EPS", "WMF")

_START_OF_SCAN = b"\xff\xda"  # in coded data a byte 0xff is followed by 0 or a restart marker


def refuse_large_file(file: IO[bytes], name: str) -> None:
    """Refuse a file that is too large to be read whole, which some decoders do.

    Raises:
        ImageError: it is.
    """
    size = file.seek(0, os.SEEK_END)
    if size > MAX_FILE_BYTES:
        raise ImageError(f"{name} has {size} bytes, expected at most {MAX_FILE_BYTES}; shrink it")
    file.seek(0)


def refuse_expensive(image: PillowImage, file: IO[bytes], name: str) -> None:
    """Refuse an opened image, before it is decoded, whose decoding takes too much or runs code.

    Raises:
        ImageError: it does.
    """
    refuse_program(image, name)
    refuse_pixels(image.size, name)
    if image.info.get("progressive") and (scans := _count_scans(file)) > MAX_SCANS:
        raise ImageError(
            f"{name} is a JPEG of {scans} scans, expected at most {MAX_SCANS}; save it anew"
        )


def refuse_program(image: PillowImage, name: str) -> None:
    """Refuse an image whose format is a program that draws, before it is run.

    Raises:
        ImageError: it is.
    """
    if image.format in PROGRAMS:
        raise ImageError(
            f"{name} is {image.format}, a program that draws; pass a JPEG, PNG or the like"
        )


def refuse_pixels(size: tuple[int, int], name: str) -> None:
    """Refuse an image of more pixels, or of a longer side, than is decoded.

    Raises:
        ImageError: it has them.
    """
    if size[0] * size[1] > MAX_PIXELS:
        raise ImageError(
            f"{name} has {size[0] * size[1]} pixels, expected at most {MAX_PIXELS}; shrink it, or "
            "decode it yourself and pass a uint8 array"
        )
    refuse_long(size, name)


def refuse_long(size: tuple[int, ...], name: str) -> None:
    """Refuse an image with a side that no camera has.

    Raises:
        ImageError: it has one.
    """
    if max(size) > MAX_SIDE:
        raise ImageError(
            f"{name} has a side of {max(size)} pixels, expected at most {MAX_SIDE}; cut it in parts"
        )


def _count_scans(file: IO[bytes]) -> int:
    position = file.tell()
    file.seek(0)
    scans, last = 0, b""
    while block := file.read(1 << 20):
        scans += (last + block).count(_START_OF_SCAN)
        last = block[-1:]
    file.seek(position)
    return scans
