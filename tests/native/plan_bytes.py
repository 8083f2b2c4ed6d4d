"""Plans written by hand for the tests of the native library; plan.h has the format."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

INPUT, OUTPUT, ARENA, RING, ARENA_RING = range(5)
CODES = [
    "quantise",
    "dequantise",
    "convolution",
    "depthwise",
    "grouped",
    "add",
    "multiply",
    "table",
    "max_pool",
    "average_pool",
    "global_pool",
    "copy",
    "channels",
    "resize",
    "pad",
    "depth_to_space",
    "bilinear",
    "response_norm",
    "softmax",
    "function",
]
NONE, NOWHERE = 0xFFFFFFFF, 2**64 - 1


def aligned(size: int, to: int = 64) -> int:
    """The next multiple."""
    return -(-size // to) * to


@dataclass
class Plan:
    """Records and data, added one after another; indices count from 0."""

    tensors: list[bytes] = field(default_factory=list)
    operations: list[bytes] = field(default_factory=list)
    groups: list[bytes] = field(default_factory=list)
    names: bytes = b""
    data: bytes = b""
    memory: dict[int, int] = field(default_factory=lambda: {ARENA: 0, RING: 0})

    def tensor(
        self,
        storage: int,
        shape: tuple[int, int, int],
        *,
        is_float: bool = False,
        pitch: int | None = None,
        block: int | None = None,
        rows: int | None = None,
        pads: tuple[int, int] = (0, 0),
        pad_value: int = 0,
    ) -> int:
        """Add a tensor of shape (channels, height, width) at a place of its own."""
        channels, height, width = shape
        offset = 0
        callers = storage in (INPUT, OUTPUT)
        pitch = 0 if callers else pitch or aligned(channels, 16)
        rows = rows or height
        if not callers:
            place = ARENA if storage == ARENA_RING else storage
            offset = self.memory[place]
            self.memory[place] += aligned((pads[0] + width + pads[1]) * rows * pitch)
        name = len(self.names)
        self.names += f"t{len(self.tensors)}".encode() + b"\0"
        head = struct.pack(
            "<I4B3I", name, storage, int(is_float), pad_value, 0, height, width, channels
        )
        layout = struct.pack("<5I", pitch, block or pitch, rows, *pads)
        self.tensors.append(head + layout + struct.pack("<fiQQ", 1.0, 0, offset, 0))
        return len(self.tensors) - 1

    def put(self, array: np.ndarray | None) -> int:
        """Append an array to the data; where it lies."""
        if array is None:
            return NOWHERE
        at = len(self.data)
        self.data += array.tobytes()
        self.data += b"\0" * (aligned(len(self.data)) - len(self.data))
        return at

    def scratch(self, size: int) -> int:
        """Room in the scratch memory, for a row of pads or the sums of a pool."""
        at = self.memory[RING]
        self.memory[RING] += aligned(size)
        return at

    def operation(
        self,
        code: str,
        inputs: tuple[int, ...],
        output: int,
        channels: int,
        output_channels: int | None = None,
        *,
        kernel: tuple[int, int] = (1, 1),
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        pads: tuple[int, int] = (0, 0),
        groups: int = 1,
        flags: int = 0,
        at: tuple[int, int] = (0, 0),
        weights: np.ndarray | None = None,
        bias: np.ndarray | None = None,
        multiplier: np.ndarray | None = None,
        table: np.ndarray | None = None,
        pad_row: int = NOWHERE,
        zero_points: tuple[int, int, int] = (0, 0, 0),
        clamp: tuple[int, int] = (0, 255),
        factors: tuple[float, float, float] = (0, 0, 0),
    ) -> int:
        """Add an operation; zero_points of the output and of the two inputs."""
        places = [self.put(each) for each in (weights, bias, multiplier, table)]
        ids = (*inputs, NONE)[:2]
        head = struct.pack("<HH3I2I2I", CODES.index(code) + 1, flags, *ids, output, *at, channels,
                           output_channels or channels)  # fmt: skip
        window = struct.pack("<8HII", *kernel, *stride, *dilation, *pads, groups, 0)
        numbers = struct.pack("<5i3f", zero_points[0], *clamp, *zero_points[1:], *factors)
        self.operations.append(head + window + struct.pack("<5Q", *places, pad_row) + numbers)
        return len(self.operations) - 1

    def group(
        self,
        first: int,
        count: int,
        strip: int,
        loop: tuple[int, int] = (0, 0),
        *,
        in_order: bool = False,
    ) -> None:
        """Add a group of operations."""
        self.groups.append(struct.pack("<8I", first, count, strip, *loop, int(in_order), 0, 0))

    def to_bytes(self) -> bytes:
        """The file."""
        sections = [b"".join(each) for each in (self.tensors, self.operations, self.groups)]
        sections = [
            each + b"\0" * (aligned(len(each)) - len(each)) for each in [*sections, self.names]
        ]
        size = 64 + sum(map(len, sections)) + len(self.data)
        header = struct.pack(
            "<8sIIQ4I3Q", b"EDGEPLAN", 1, 0x01020304, size, len(self.tensors), len(self.operations),
            len(self.groups), len(self.names), len(self.data), self.memory[ARENA],
            self.memory[RING],
        )  # fmt: skip
        return header + b"".join(sections) + self.data
