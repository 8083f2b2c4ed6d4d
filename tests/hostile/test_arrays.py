"""Golden arrays that are no plain ``.npy`` files of numbers, or claim more than they hold."""

from __future__ import annotations

import io
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from hostile.edited import bundle_with
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.npy import read_npy
from edgecnn_runtime.bundle.write import npy
from edgecnn_runtime.errors import GoldenInvalid

FEED = np.zeros((1, 3, 4, 4), np.float32)


def headed(descr: str, shape: str, body: bytes = FEED.tobytes(), fortran: str = "False") -> bytes:
    """A ``.npy`` whose header is written as it is."""
    text = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + body


def npz() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, x=FEED)
    return stream.getvalue()


# Content, and what is wrong with it.
REFUSED: list[tuple[bytes, str]] = [
    (npz(), "does not begin as a .npy file"),
    (b"", "does not begin"),
    (b"\x93NUMPY\x09\0" + bytes(100), "does not begin"),
    (headed("'<f4'", "(1099511627776, 3, 4, 4)"), "its shape says float32"),
    (headed("'<f4'", f"(1{'0' * 30},)"), "expected a tuple of sizes"),
    (headed("'<f4'", "(True, 3, 4, 4)"), "expected a tuple of sizes"),
    (headed("'<f4'", "(-1, 3, 4, 4)"), "expected a tuple of sizes"),
    (headed("'<f4'", "[1, 3, 4, 4]"), "expected a tuple of sizes"),
    (headed("'<f4'", "(" * 900), "not one of numpy's"),
    (headed("'<f4'", "(" * 5000), "expected at most 1024"),
    (headed("'<f4'", "__import__('os').system('id')"), "not one of numpy's"),
    (headed("'<f4'", "(1, 3, 4, 4)", fortran="1"), "expected a tuple of sizes"),
    (headed("'>f4'", "(1, 3, 4, 4)"), "type is '>f4'"),
    (headed("'|O'", "(1, 3, 4, 4)"), "type is '|O'"),
    (headed("'<f8'", "(24,)"), "type is '<f8'"),
    (headed("[('a', '<f4')]", "(48,)"), "expected one of <f4"),
    (headed("'<f4'", "(0, 3, 4, 4)", b""), "holds 0 bytes"),
    (headed("'<f4'", "(1, 3, 4, 4)", bytes(100)), "holds 100 bytes"),
    (npy(FEED)[:-1], "holds 191 bytes"),
    (npy(FEED) + b"\0", "holds 193 bytes"),
]


@pytest.mark.parametrize(
    ("content", "says"),
    REFUSED,
    ids=[f"{number} {says}" for number, (_, says) in enumerate(REFUSED)],
)
def test_what_is_no_plain_array_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        read_npy(content)
    path = bundle_with(tmp_path, {"golden/0.input.npy": content})
    with Bundle(path) as bundle, pytest.raises(GoldenInvalid, match=r"input\.npy is not a plain"):
        bundle.check()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 130), st.integers(0, 255))
def test_a_damaged_array_is_refused_or_read_never_a_crash(tail: bytes, at: int, byte: int) -> None:
    content = bytearray(npy(FEED)[:128] + tail)
    content[min(at, len(content) - 1)] = byte
    try:
        array = read_npy(bytes(content))
    except ValueError:
        return
    assert array.nbytes <= len(content)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint8", "int32", "int64", "bool"])
def test_every_type_of_a_manifest_is_read_as_numpy_reads_it(dtype: str) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    for stored in (array, np.asfortranarray(array)):
        stream = io.BytesIO()
        np.save(stream, stored)
        read = read_npy(stream.getvalue())
        np.testing.assert_array_equal(read, array)
        assert read.dtype == array.dtype
        assert read.flags.c_contiguous
        assert read.flags.writeable


@pytest.mark.parametrize("shape", [(4, 4, 4), (4, 4, 1), (4, 4), (1, 4, 4, 3)])
def test_a_golden_image_has_three_channels(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = bundle_with(tmp_path, {"golden/0.image.npy": npy(np.zeros(shape, np.uint8))})
    with Bundle(path) as bundle, pytest.raises(GoldenInvalid, match="expected an image"):
        bundle.check()
