"""A plan written by hand, record by record of native/src/plan.h, without edgecnn's planner."""

from __future__ import annotations

import struct

import numpy as np

NONE, NOWHERE = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
INPUT, OUTPUT, ARENA = 0, 1, 2
UINT8, FLOAT32 = 0, 1
QUANTISE, CONVOLUTION, GLOBAL_POOL = 1, 3, 11
NAMES = b"input\0quantised\0pooled\0logits\0"
LANES = 16
# Sums are in thirds of a step: times the float32 1/765, black and white are exactly 1 and 3.
THIRDS = 3


def tensor(name: bytes, storage: int, size: int, offset: int = 0) -> bytes:
    """A record of `struct plan_tensor`: `size` x `size` pixels of three channels."""
    is_stored = storage == ARENA
    pitch = LANES if is_stored else 0
    return struct.pack(
        "<I4B8IfiQQ",
        NAMES.index(name),
        *(storage, UINT8 if is_stored else FLOAT32, 0, storage == OUTPUT),
        *(size, size, 3, pitch, pitch, size, 0, 0),
        *(1 / 255 if is_stored else 0.0, 0, offset, 0),
    )


def operation(
    code: int, source: int, target: int, factor: float, data: tuple[int, int, int] = (NOWHERE,) * 3
) -> bytes:
    """A record of `struct plan_operation` on all of three channels; `data`: weights and so on."""
    return struct.pack(
        "<2H7I8H2I5Q5i3f",
        *(code, 0, source, NONE, target, 0, 0, 3, 3),
        *(1, 1, 1, 1, 1, 1, 0, 0, 1, 0),
        *(*data, NOWHERE, NOWHERE),
        *(0, 0, 255, 0, 0),
        *(factor, 0.0, 0.0),
    )


def brightest_plan() -> bytes:
    """Mean of each channel, twice that plus 1: in steps of 1/255, a result of exact sums."""
    weights = np.zeros((LANES, 4), np.int8)
    weights[:3, :3] = 2 * THIRDS * np.eye(3)
    bias, multiplier = np.zeros(LANES, np.int32), np.zeros(LANES, np.float32)
    bias[:3], multiplier[:3] = 255 * THIRDS, np.float32(1 / (255 * THIRDS))
    tensors = [
        tensor(b"input", INPUT, 4),
        tensor(b"quantised", ARENA, 4),
        tensor(b"pooled", ARENA, 1, offset=256),
        tensor(b"logits", OUTPUT, 1),
    ]
    operations = [
        operation(QUANTISE, 0, 1, 1 / 255),
        operation(GLOBAL_POOL, 1, 2, 1 / 16),
        operation(CONVOLUTION, 2, 3, 0.0, (0, 64, 128)),
    ]
    groups = [struct.pack("<8I", first, 1, 1, 0, 0, 0, 0, 0) for first in range(3)]
    data = b"".join(each.tobytes() for each in (weights, bias, multiplier))
    sections = [b"".join(tensors), b"".join(operations), b"".join(groups), NAMES, data]
    return header(sections) + b"".join(map(padded, sections[:-1])) + data


def header(sections: list[bytes]) -> bytes:
    """`struct plan_header` of these sections; 320 bytes hold both tensors of the arena."""
    size = 64 + sum(len(padded(section)) for section in sections[:-1]) + len(sections[-1])
    counts = len(sections[0]) // 64, len(sections[1]) // 128, len(sections[2]) // 32
    return struct.pack(
        "<8sIIQ4I3Q",
        b"EDGEPLAN",
        1,
        0x01020304,
        size,
        *counts,
        len(NAMES),
        len(sections[-1]),
        320,
        0,
    )


def padded(section: bytes) -> bytes:
    """The section up to the next multiple of 64 bytes."""
    return section.ljust(-(-len(section) // 64) * 64, b"\0")
