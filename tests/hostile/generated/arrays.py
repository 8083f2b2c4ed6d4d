"""Golden arrays that are none: tricks of the .npy format."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hostile.generated.archives import repacked
from hostile.generated.case import FEED, IMAGE, Kind, Random, sound, verified
from hostile.generated.manifests import pick

Action = Callable[[], None]
FILES = ("golden/0.input.npy", "golden/0.output0.npy", "golden/0.image.npy")
HEADER = "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n"
SHAPES = (
    *("(1099511627776, 3, 32, 32)", "(1" + "0" * 30 + ",)", "(True, 3, 4, 4)", "(-1, 3, 4, 4)"),
    *("(1, 3, 4)", "()", "(0,)", "[1, 3, 4, 4]", "(1, 3, 4, 4.0)", "(1, 3, 4, None)", "1"),
    *("(2**62,)", "(4294967296, 4294967296)", "(" + "1," * 5_000 + ")", "(1, 3, 4, 4, )"),
)
DTYPES = (
    "<f4",
    ">f4",
    "|O",
    "<f8",
    "<c8",
    "|S1000000000",
    "<M8[ns]",
    "|V4",
    "<U9",
    "?",
    "f4f4",
    "",
)


def raw(header: str, body: bytes, version: int = 1) -> bytes:
    encoded = header.encode()
    size = struct.pack(
        "<H" if version == 1 else "<I", len(encoded) & (0xFFFF if version == 1 else -1)
    )
    return b"\x93NUMPY" + bytes([version, 0]) + size + encoded + body


def saved(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def _verified(folder: Path, name: str, content: bytes) -> Action:
    document, members = sound()
    members[name] = content
    path = repacked(folder, members, document)
    return lambda: verified(path)


def header_tricks(random: Random, folder: Path) -> Action:
    shape, dtype = pick(random, SHAPES), pick(random, DTYPES)
    if random.random() < 0.5:
        dtype = "<f4"
    order = pick(random, ("False", "True", "0", "None"))
    header = HEADER % (dtype, order, shape)
    content = raw(header, FEED.tobytes(), int(pick(random, (1, 1, 2, 3, 9))))
    return _verified(folder, str(pick(random, FILES)), content)


def header_damaged(random: Random, folder: Path) -> Action:
    content = bytearray(saved(FEED))
    for _ in range(int(random.integers(1, 5))):
        content[int(random.integers(128))] = int(random.integers(256))
    return _verified(folder, str(pick(random, FILES)), bytes(content))


def other_arrays(random: Random, folder: Path) -> Action:
    arrays = (
        *(IMAGE[:0], np.concatenate([IMAGE, IMAGE[:, :, :1]], 2), IMAGE[:, :, :1], FEED[:0]),
        *(FEED.astype(">f4"), FEED.astype("float16"), np.full_like(FEED, np.nan), FEED[0]),
        *(np.array([{}], object), np.array("text"), np.float32(1), IMAGE.astype(np.int64)),
        *(np.asfortranarray(FEED), np.zeros((1, 3, 4096, 4096), np.float32)),
    )
    return _verified(
        folder, str(pick(random, FILES)), saved(arrays[int(random.integers(len(arrays)))])
    )


def another_format(random: Random, folder: Path) -> Action:
    stream = io.BytesIO()
    np.savez(stream, x=FEED)
    content = pick(random, (stream.getvalue(), b"", b"\x93NUMPY", b"\x80\x04.", random.bytes(500)))
    return _verified(folder, str(pick(random, FILES)), content)


KINDS = (
    Kind("npy: headers that lie", header_tricks, 120),
    Kind("npy: headers damaged", header_damaged, 60),
    Kind("npy: other arrays", other_arrays, 60),
    Kind("npy: another format", another_format, 20),
)
