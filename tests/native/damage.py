"""Changes of one field of a plan's records, at the offsets of plan.h."""

from __future__ import annotations

import struct
from dataclasses import dataclass

# Field → offset in its record and format.
HEADER = {
    "version": (8, "I"), "endian": (12, "I"), "size": (16, "Q"), "tensors": (24, "I"),
    "operations": (28, "I"), "groups": (32, "I"), "names": (36, "I"), "data": (40, "Q"),
    "arena": (48, "Q"), "scratch": (56, "Q"),
}  # fmt: skip
TENSOR = {
    "name": (0, "I"), "storage": (4, "B"), "type": (5, "B"), "pad_value": (6, "B"),
    "vector": (7, "B"), "height": (8, "I"), "width": (12, "I"), "channels": (16, "I"),
    "pitch": (20, "I"), "block": (24, "I"), "rows": (28, "I"), "pad_left": (32, "I"),
    "pad_right": (36, "I"), "scale": (40, "f"), "offset": (48, "Q"), "reserved": (56, "Q"),
}  # fmt: skip
OPERATION = {
    "code": (0, "H"), "flags": (2, "H"), "input": (4, "I"), "other": (8, "I"), "output": (12, "I"),
    "input_channel": (16, "I"), "output_channel": (20, "I"), "channels": (24, "I"),
    "output_channels": (28, "I"), "kernel_h": (32, "H"), "kernel_w": (34, "H"),
    "stride_h": (36, "H"), "stride_w": (38, "H"), "dilation_h": (40, "H"), "dilation_w": (42, "H"),
    "pad_top": (44, "H"), "pad_left": (46, "H"), "channel_groups": (48, "I"),
    "reserved": (52, "I"), "weights": (56, "Q"), "bias": (64, "Q"), "multiplier": (72, "Q"),
    "table": (80, "Q"), "pad_row": (88, "Q"), "zero_point": (96, "i"), "low": (100, "i"),
    "high": (104, "i"), "factor_a": (116, "f"), "factor_b": (120, "f"), "factor_c": (124, "f"),
}  # fmt: skip
GROUP = {
    "first": (0, "I"), "count": (4, "I"), "strip_rows": (8, "I"), "loop_first": (12, "I"),
    "loop_count": (16, "I"), "flags": (20, "I"), "reserved": (24, "I"),
}  # fmt: skip


def _aligned(size: int) -> int:
    return -(-size // 64) * 64


@dataclass(frozen=True)
class Sections:
    """Where the sections of a plan begin; its end."""

    tensors: int
    operations: int
    groups: int
    names: int
    data: int
    end: int


def sections(plan: bytes) -> Sections:
    """Sections of an undamaged plan."""
    tensors, operations, groups, names = struct.unpack_from("<4I", plan, 24)
    at = [64]
    for size in (64 * tensors, 128 * operations, 32 * groups, names):
        at.append(at[-1] + _aligned(size))
    return Sections(*at, len(plan))


def read(plan: bytes, record: str, index: int, field: str) -> int:
    """A field of the header, or of a tensor, operation or group."""
    at, code = _place(plan, record, index, field)
    return int(struct.unpack_from(f"<{code}", plan, at)[0])


def change(plan: bytes, record: str, index: int, **fields: float) -> bytes:
    """The plan with other values in a record's fields."""
    changed = bytearray(plan)
    for field, value in fields.items():
        at, code = _place(plan, record, index, field)
        struct.pack_into(f"<{code}", changed, at, value)
    return bytes(changed)


def _place(plan: bytes, record: str, index: int, field: str) -> tuple[int, str]:
    found = sections(plan)
    fields, start, size = {
        "header": (HEADER, 0, 64),
        "tensor": (TENSOR, found.tensors, 64),
        "operation": (OPERATION, found.operations, 128),
        "group": (GROUP, found.groups, 32),
    }[record]
    offset, code = fields[field]
    return start + index * size + offset, code
