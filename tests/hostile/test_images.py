"""Images made to fill memory, to take minutes, or to run a program; and plans that are kept."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hostile.special import make_special
from PIL import Image

from edgecnn_runtime.errors import ImageError
from edgecnn_runtime.image import limits, resample
from edgecnn_runtime.image.limits import MAX_FILE_BYTES, MAX_SCANS
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.image.resample import KEPT, KEPT_BYTES, plan_axis
from edgecnn_runtime.manifest import Preprocess


def png_of(width: int, height: int) -> bytes:
    """A PNG that claims a size, with the pixels of none: it is refused before they are read."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.filterwarnings("ignore:Image size")
@pytest.mark.parametrize(
    ("width", "height", "says"),
    [
        (80_000_000, 1, "a side of 80000000 pixels, expected at most 65536"),
        (1, 80_000_000, "a side of 80000000 pixels"),
        (10_000, 9_000, "90000000 pixels, expected at most 89478485"),
        (30_000, 30_000, "more pixels than Pillow trusts"),
    ],
)
def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(
    width: int, height: int, says: str
) -> None:
    with pytest.raises(ImageError, match=says):
        load_image(png_of(width, height))


def test_a_long_array_is_refused_too() -> None:
    with pytest.raises(ImageError, match="a side of 65537 pixels"):
        load_image(np.zeros((65_537, 1), np.uint8))


def test_a_program_that_draws_is_not_run() -> None:
    with pytest.raises(ImageError, match="is EPS, a program that draws"):
        load_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")


def scans(count: int) -> bytes:
    """A progressive JPEG with its last scan again and again."""
    stream = io.BytesIO()
    Image.new("L", (16, 16), 128).save(stream, "JPEG", progressive=True)
    content = stream.getvalue()
    last = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + last * (count - content.count(b"\xff\xda")) + b"\xff\xd9"


def test_a_jpeg_of_a_thousand_scans_is_refused() -> None:
    assert load_image(scans(MAX_SCANS)).shape == (16, 16, 3)
    with pytest.raises(ImageError, match="a JPEG of 101 scans, expected at most 100"):
        load_image(scans(MAX_SCANS + 1))


@pytest.mark.parametrize("kind", ["named pipe", "device", "folder"])
def test_what_is_no_plain_file_is_not_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.webp"
    make_special(path, kind)
    with pytest.raises(ImageError, match=f"is a {kind}, expected a file"):
        load_image(path)


def test_a_file_without_an_end_is_not_read(tmp_path: Path) -> None:
    """Pillow's WebP reads the whole file; a sparse one takes no room on the disk."""
    path = tmp_path / "sparse.webp"
    path.write_bytes(b"RIFF\xff\xff\xff\x7fWEBPVP8 ")
    os.truncate(path, MAX_FILE_BYTES + 1)
    with pytest.raises(ImageError, match="536870913 bytes, expected at most"):
        load_image(path)


def test_an_input_that_no_network_reads_is_not_made() -> None:
    """Of the shorter side alone, a thin image becomes as long as it likes."""
    thin = np.zeros((1, 60_000, 3), np.uint8)
    spec = Preprocess("RGB", 224, "bilinear", None, 1 / 255, (0.0,) * 3, (1.0,) * 3)
    with pytest.raises(ImageError, match="becomes an input of 224x13440000"):
        preprocess(thin, spec)


def test_plans_that_are_kept_are_few_and_small() -> None:
    """A stream of images of all sizes leaves no more than 64 MiB behind."""
    resample._kept_plan.cache_clear()
    for length in range(1000, 1000 + 2 * KEPT):
        plan_axis(length, 8, "bilinear", 0, 8)
    assert resample._kept_plan.cache_info().currsize == KEPT
    kept = resample._kept_plan.cache_info().misses
    large = plan_axis(60_000, 224, "bicubic", 0, 224)
    assert large.weights.nbytes > KEPT_BYTES
    assert resample._kept_plan.cache_info().misses == kept


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
@pytest.mark.parametrize("lengths", [(500, 224), (4000, 256), (100, 300), (65_536, 7)])
def test_a_kept_plan_is_as_small_as_it_is_taken_for(
    kernel: resample.Filter, lengths: tuple[int, int]
) -> None:
    length, resized = lengths
    before = resample._kept_plan.cache_info().misses
    plan = plan_axis(length, resized, kernel, 0, resized - 1)
    is_kept = resample._kept_plan.cache_info().misses > before
    assert not is_kept or plan.weights.nbytes <= 2 * KEPT_BYTES


@pytest.mark.filterwarnings("ignore:Image was not the expected size")
def test_an_icon_is_measured_by_its_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory of an icon says 8x8 pixels, the frame in it has more."""
    frame = io.BytesIO()
    Image.new("RGBA", (16, 16)).save(frame, "PNG")
    entry = struct.pack("<BBBBHHII", 8, 8, 0, 0, 1, 32, len(frame.getvalue()), 22)
    icon = struct.pack("<HHH", 0, 1, 1) + entry + frame.getvalue()
    assert load_image(icon).shape == (16, 16, 3)
    monkeypatch.setattr(limits, "MAX_PIXELS", 100)
    with pytest.raises(ImageError, match="has 256 pixels, expected at most 100"):
        load_image(icon)
