"""The idx format of MNIST and the data sets in its form.

Four bytes (0, 0, type, rank), then each size as a big-endian uint32, then the values row by row.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from edgecnn.errors import DataUnreadable
from edgecnn_runtime.arrays import UInt8
from edgecnn_runtime.file_kind import other_than_file

UINT8 = 0x08


def read_idx(path: Path) -> UInt8:
    """The array of uint8 that an idx file holds, of the shape that it gives.

    Raises:
        DataUnreadable: missing, not an idx file of uint8, or longer or shorter than its shape says.
    """
    kind = other_than_file(path)
    if kind is not None:
        raise DataUnreadable(f"{path} is {kind}, expected an idx file of uint8")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataUnreadable(f"cannot read {path}: {error.strerror}; check the path") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != UINT8 or content[3] == 0:
        raise DataUnreadable(
            f"{path} begins with {content[:4].hex(' ') or 'nothing'}, expected 00 00 08 and a rank "
            "of 1 or more: not an idx file of uint8; unpack it if it is compressed, or fetch it "
            "again"
        )
    rank = content[3]
    offset = 4 + 4 * rank
    if len(content) < offset:
        raise DataUnreadable(
            f"{path} ends after {len(content)} bytes, within its sizes; fetch it again"
        )
    shape = struct.unpack(f">{rank}I", content[4:offset])
    if len(content) != offset + math.prod(shape):
        raise DataUnreadable(
            f"{path} holds {len(content) - offset} values, its shape {shape} says "
            f"{math.prod(shape)}; it is damaged, fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=offset).reshape(shape).copy()
