"""Reader of a plan file, written from native/src/plan.h and not from the planner."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

NONE, NOWHERE = 2**32 - 1, 2**64 - 1


@dataclass(frozen=True)
class Tensor:
    """struct plan_tensor."""

    name: str
    storage: int
    type: int
    pad_value: int
    vector: int
    height: int
    width: int
    channels: int
    pitch: int
    block: int
    rows: int
    pad_left: int
    pad_right: int
    scale: float
    zero_point: int
    offset: int

    @property
    def row_pixels(self) -> int:
        return self.pad_left + self.width + self.pad_right

    @property
    def size(self) -> int:
        return self.rows * self.row_pixels * self.pitch


@dataclass(frozen=True)
class Operation:
    """struct plan_operation."""

    code: int
    flags: int
    inputs: tuple[int, ...]
    output: int
    input_channel: int
    output_channel: int
    channels: int
    output_channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pads: tuple[int, int]
    channel_groups: int
    weights: int
    bias: int
    multiplier: int
    table: int
    pad_row: int
    zero_point: int
    low: int
    high: int
    zero_points: tuple[int, int]
    factors: tuple[np.float32, np.float32, np.float32]


@dataclass(frozen=True)
class Group:
    """struct plan_group."""

    first: int
    count: int
    strip_rows: int
    loop_first: int
    loop_count: int
    flags: int


@dataclass(frozen=True)
class PlanFile:
    tensors: list[Tensor]
    operations: list[Operation]
    groups: list[Group]
    data: bytes
    arena: int
    scratch: int


def read(content: bytes) -> PlanFile:
    magic, version, endian, size, *counts, data, arena, scratch = struct.unpack_from(
        "<8sIIQ4I3Q", content
    )
    assert (magic, version, endian) == (b"EDGEPLAN", 1, 0x01020304)
    assert size == len(content)
    tensors, operations, groups, names = counts
    at = 64
    parts = []
    for length in (64 * tensors, 128 * operations, 32 * groups, names, data):
        assert at % 64 == 0
        parts.append(content[at : at + length])
        at += -(-length // 64) * 64
    assert len(parts[4]) == data
    return PlanFile(
        [_tensor(parts[0][64 * i :], parts[3]) for i in range(tensors)],
        [_operation(parts[1][128 * i :]) for i in range(operations)],
        [Group(*struct.unpack_from("<6I", parts[2], 32 * i)) for i in range(groups)],
        parts[4],
        arena,
        scratch,
    )


def _tensor(record: bytes, names: bytes) -> Tensor:
    name, *small = struct.unpack_from("<I4B", record)
    sizes = struct.unpack_from("<8I", record, 8)
    scale, zero_point, offset = struct.unpack_from("<fiQ", record, 40)
    text = names[name : names.index(b"\0", name)].decode()
    return Tensor(text, *small, *sizes, scale, zero_point, offset)


def _operation(record: bytes) -> Operation:
    code, flags, first, second, output = struct.unpack_from("<2H3I", record)
    channels = struct.unpack_from("<4I", record, 16)
    window = struct.unpack_from("<8H", record, 32)
    groups, _ = struct.unpack_from("<2I", record, 48)
    offsets = struct.unpack_from("<5Q", record, 56)
    integers = struct.unpack_from("<5i", record, 96)
    factors = np.frombuffer(record, "<f4", 3, 116)
    inputs = (first,) if second == NONE else (first, second)
    pairs = [(window[i], window[i + 1]) for i in range(0, 8, 2)]
    return Operation(
        code, flags, inputs, output, *channels, *pairs, groups, *offsets, *integers[:3],
        (integers[3], integers[4]), (factors[0], factors[1], factors[2]),
    )  # fmt: skip
