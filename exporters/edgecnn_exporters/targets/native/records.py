"""Records of a plan file: header, tensors, operations, groups; native/src/plan.h has the format."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn_exporters.targets.native.errors import PlanInvalid

MAGIC = b"EDGEPLAN"
VERSION = 1
ENDIAN = 0x01020304
NONE = 0xFFFFFFFF
NOWHERE = 0xFFFFFFFFFFFFFFFF
ALIGNMENT = 64

Records = NDArray[np.void]


class Storage(IntEnum):
    """Where a tensor's rows are."""

    INPUT = 0
    OUTPUT = 1
    ARENA = 2
    RING = 3
    ARENA_RING = 4


class Type(IntEnum):
    """Element type of a tensor."""

    UINT8 = 0
    FLOAT32 = 1


class Code(IntEnum):
    """Codes of the operations; plan.h has the arithmetic of each."""

    QUANTISE = 1
    DEQUANTISE = 2
    CONVOLUTION = 3
    DEPTHWISE = 4
    GROUPED = 5
    ADD = 6
    MULTIPLY = 7
    TABLE = 8
    MAX_POOL = 9
    AVERAGE_POOL = 10
    GLOBAL_POOL = 11
    COPY = 12
    CHANNELS = 13
    RESIZE = 14
    PAD = 15
    DEPTH_TO_SPACE = 16
    BILINEAR = 17
    RESPONSE_NORM = 18
    SOFTMAX = 19
    FUNCTION = 20


class FloatFunction(IntEnum):
    """Functions of a float output, which are computed in place."""

    SOFTMAX = 1
    LOG_SOFTMAX = 2
    SIGMOID = 3
    CLIP = 4


EXCLUDE_PADS = 1
IN_ORDER = 1
# Of a map of CHANNELS: tap << TAP_SHIFT | channel.
TAP_SHIFT = 17

HEADER = np.dtype(
    [
        ("magic", "S8"),
        *[(name, "<u4") for name in ("version", "endian")],
        ("size", "<u8"),
        *[(name, "<u4") for name in ("tensors", "operations", "groups", "names")],
        *[(name, "<u8") for name in ("data", "arena", "scratch")],
    ]
)
TENSOR = np.dtype(
    [
        ("name", "<u4"),
        *[(name, "u1") for name in ("storage", "type", "pad_value", "vector")],
        *[(name, "<u4") for name in ("height", "width", "channels", "pitch", "block", "rows")],
        *[(name, "<u4") for name in ("pad_left", "pad_right")],
        ("scale", "<f4"),
        ("zero_point", "<i4"),
        *[(name, "<u8") for name in ("offset", "reserved")],
    ]
)
OPERATION = np.dtype(
    [
        *[(name, "<u2") for name in ("code", "flags")],
        ("input", "<u4", (2,)),
        *[(name, "<u4") for name in ("output", "input_channel", "output_channel")],
        *[(name, "<u4") for name in ("channels", "output_channels")],
        *[(name, "<u2") for name in ("kernel_h", "kernel_w", "stride_h", "stride_w")],
        *[(name, "<u2") for name in ("dilation_h", "dilation_w", "pad_top", "pad_left")],
        *[(name, "<u4") for name in ("channel_groups", "reserved")],
        *[(name, "<u8") for name in ("weights", "bias", "multiplier", "table", "pad_row")],
        *[(name, "<i4") for name in ("zero_point", "low", "high")],
        *[(name, "<i4") for name in ("zero_point_a", "zero_point_b")],
        *[(name, "<f4") for name in ("factor_a", "factor_b", "factor_c")],
    ]
)
GROUP = np.dtype(
    [
        *[(name, "<u4") for name in ("first", "count", "strip_rows", "loop_first", "loop_count")],
        ("flags", "<u4"),
        ("reserved", "<u4", (2,)),
    ]
)


@dataclass(frozen=True)
class PlanRecords:
    """A plan's tables and data, as they stand in the file.

    Attributes:
        tensors, operations, groups: records of `TENSOR`, `OPERATION`, `GROUP`.
        names: names, each ended by a zero byte.
        data: weights, biases, multipliers, tables and maps, each at a multiple of 64.
        arena: bytes of all stored tensors.
        scratch: bytes of rings and pad rows, for each thread.
    """

    tensors: Records
    operations: Records
    groups: Records
    names: bytes
    data: bytes
    arena: int
    scratch: int

    def to_bytes(self) -> bytes:
        """The file."""
        tables = (self.tensors, self.operations, self.groups)
        body = b"".join(
            _aligned(part) for part in (*[table.tobytes() for table in tables], self.names)
        )
        header: Any = np.zeros((), HEADER)
        header["magic"], header["version"], header["endian"] = MAGIC, VERSION, ENDIAN
        header["size"] = HEADER.itemsize + len(body) + len(self.data)
        header["tensors"], header["operations"], header["groups"] = map(len, tables)
        header["names"], header["data"] = len(self.names), len(self.data)
        header["arena"], header["scratch"] = self.arena, self.scratch
        return bytes(header.tobytes()) + body + self.data


def read_plan(content: bytes) -> PlanRecords:
    """The records of a plan file.

    Raises:
        PlanInvalid: it is no plan of this version, or a part of it is missing.
    """
    if len(content) < HEADER.itemsize:
        raise PlanInvalid(f"{len(content)} bytes are no plan, its header has {HEADER.itemsize}")
    header: Any = np.frombuffer(content, HEADER, 1)[0]
    if header["magic"] != MAGIC or header["version"] != VERSION or header["endian"] != ENDIAN:
        raise PlanInvalid(
            f"the file begins with {bytes(content[:8])!r}, version {int(header['version'])}; "
            f"expected {MAGIC!r}, version {VERSION}: export the network with this edgecnn"
        )
    parts, at = [], HEADER.itemsize
    sizes = [int(header[name]) * kind.itemsize for name, kind in _TABLES]
    for size in (*sizes, int(header["names"]), int(header["data"])):
        parts.append(content[at : at + size])
        at += size + -size % ALIGNMENT
    end = at - -len(parts[-1]) % ALIGNMENT
    if int(header["size"]) != len(content) or end != len(content):
        raise PlanInvalid(
            f"the file has {len(content)} bytes, its header names {int(header['size'])} and its "
            f"sections end at {end}; copy it again"
        )
    tensors, operations, groups = (
        np.frombuffer(part, kind) for part, (_, kind) in zip(parts, _TABLES, strict=False)
    )
    arena, scratch = int(header["arena"]), int(header["scratch"])
    return PlanRecords(tensors, operations, groups, parts[3], parts[4], arena, scratch)


_TABLES = (("tensors", TENSOR), ("operations", OPERATION), ("groups", GROUP))


def _aligned(part: bytes) -> bytes:
    return part + bytes(-len(part) % ALIGNMENT)
