"""Unlabelled images of a named data set, a folder, or an ``.npz`` file."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgecnn.data import load
from edgecnn.data.class_folders import FORMATS
from edgecnn.data.decoder import check_decoder
from edgecnn.data.named import NAMED
from edgecnn.errors import DataUnreadable
from edgecnn.fetch import fetch
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.file_kind import other_than_file

# Twenty photographs of ImageNet's classes, fetched as a folder.
SAMPLES = "imagenet-samples"
# The four that come with edgecnn.
PHOTOGRAPHS = "photographs"

ImageList = Sequence[Path] | Array


def is_image_source(data: str) -> bool:
    """Whether `find_images` takes it: a named data set, imagenet-samples, or a folder."""
    return data in NAMED or data == SAMPLES or Path(data).is_dir()


def find_images(data: str, *, split: str = "train", quiet: bool = False) -> ImageList:
    """The images of a named data set, (N, H, W, C) uint8, or the files of all below a folder.

    Raises:
        DataUnreadable: neither a name nor a folder, or no images in it.
        PackageMissing: nothing here decodes them.
        FetchError: a named one is not there and cannot be fetched.
    """
    if data in NAMED:
        return load(data, split, quiet=quiet)[0]
    if not is_image_source(data):
        raise DataUnreadable(f"{data} is not a folder and none of {', '.join((*NAMED, SAMPLES))}")
    check_decoder(data)
    folder = fetch(SAMPLES, quiet=quiet) if data == SAMPLES else Path(data)
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower().lstrip(".") in FORMATS and path.is_file()
    )
    if not paths:
        raise DataUnreadable(f"{folder} holds no images ({', '.join(FORMATS)})")
    return paths


def read_npz(path: Path) -> Array:
    """The one array of an ``.npz``: images (N, H, W, C) uint8, or inputs of a network, float.

    Raises:
        DataUnreadable: missing, damaged, more than one array, or neither of the two.
    """
    kind = other_than_file(path)
    if kind is not None:
        raise DataUnreadable(f"{path} is {kind}, expected an .npz")
    try:
        # numpy leaves a file of its own open when it is no archive.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            names = archive.files
            if len(names) != 1:
                raise DataUnreadable(f"{path} holds {len(names)} arrays, expected one")
            array: Array = archive[names[0]]
    except (
        *(OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
        *(struct.error, NotImplementedError, RuntimeError, TypeError, MemoryError),
    ) as error:
        raise DataUnreadable(f"{path} is not a readable .npz: {error}") from error
    if array.ndim == 0:
        raise DataUnreadable(f"{path} holds one number, expected images or inputs of a network")
    is_images = array.dtype == np.uint8 and array.ndim == 4 and array.shape[-1] in (1, 3)
    if not len(array) or not (is_images or array.dtype.kind == "f"):
        raise DataUnreadable(
            f"{path} holds {array.dtype} {array.shape}, expected images (N, H, W, 3) uint8 or "
            "inputs as the network reads them, float32"
        )
    return array


def draw(total: int, count: int, after: int = 0) -> list[int]:
    """At most `count` indices below `total`, drawn alike from all; the same ones every time.

    Args:
        after: how many were drawn before; none of them is drawn again.
    """
    drawn = np.random.default_rng(0).permutation(total)[after : after + count]
    return sorted(drawn.tolist())
