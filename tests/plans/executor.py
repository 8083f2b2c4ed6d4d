"""Execution of plans in numpy, strip by strip in memory as a plan lays it out: a test double.

Every row carries the number of the row that was written there, so that a ring that is too short, a
row that was never made and a window that leaves its pads are errors and no wrong numbers.
"""

from __future__ import annotations

import numpy as np
from plans import operations
from plans.memory import Memory
from plans.plan_file import Group, Operation, PlanFile, Tensor

CONVOLUTION, DEPTHWISE, MULTIPLY, CHANNELS, FUNCTION = 3, 4, 7, 13, 20
READS_WHOLE = (11, 14, 15, 16, 17)
INPUT, OUTPUT, RING = 0, 1, 3
WINDOWED = (CONVOLUTION, DEPTHWISE, 5, 9, 10, CHANNELS)


class Executor:
    """A plan with its memory.

    Args:
        afresh: every strip begins with empty rings, as those that other threads take, in an order
            that is not the image's.
    """

    def __init__(self, plan: PlanFile, *, afresh: bool = False) -> None:
        self.plan, self.afresh = plan, afresh
        self.memory = Memory(plan)
        self.arrays: dict[int, np.ndarray] = {}

    def run(self, *inputs: np.ndarray) -> list[np.ndarray]:
        """The outputs for inputs (channels, height, width)."""
        tensors = self.plan.tensors
        fed = iter(inputs)
        for number, tensor in enumerate(tensors):
            shape = (tensor.channels, tensor.height, tensor.width)
            if tensor.storage == INPUT:
                self.arrays[number] = next(fed).reshape(shape)
            elif tensor.storage == OUTPUT:
                self.arrays[number] = np.full(shape, np.nan, np.float32)
        for group in self.plan.groups:
            self._run_group(group)
        return [self.arrays[i] for i, t in enumerate(tensors) if t.storage == OUTPUT]

    def _run_group(self, group: Group) -> None:
        ops = self.plan.operations[group.first : group.first + group.count]
        height = self.plan.tensors[ops[-1].output].height
        strips = list(range(0, height, group.strip_rows))
        if self.afresh:
            strips = strips[1::2] + strips[::2]
        made: dict[int, int] = {}
        self._begin(ops)
        for start in strips:
            if self.afresh:
                self._begin(ops)
                made = {}
            self._run_strip(group, ops, (start, min(start + group.strip_rows, height)), made)

    def _begin(self, ops: list[Operation]) -> None:
        self.memory.forget_rings()
        for op in ops:
            if op.pad_row != 2**64 - 1:
                self.memory.fill_pad_row(op.pad_row, self.plan.tensors[op.inputs[0]])

    def _run_strip(
        self, group: Group, ops: list[Operation], strip: tuple[int, int], made: dict[int, int]
    ) -> None:
        needed = needed_rows(ops, self.plan.tensors, strip)
        loop = range(group.loop_first, group.loop_first + group.loop_count)
        spans = [
            range(max(low, made.get(place, 0)), high) for place, (low, high) in enumerate(needed)
        ]
        for place, op in enumerate(ops):
            if place not in loop:
                self._run(op, spans[place], range(op.output_channels))
            elif place == loop.start:
                blocks = range(0, op.output_channels, 64)
                for block in blocks:
                    for inner in loop:
                        last = min(block + 64, ops[inner].output_channels)
                        self._run(ops[inner], spans[inner], range(block, last))
        for place, (_, high) in enumerate(needed):
            made[place] = max(made.get(place, 0), high)

    def _run(self, op: Operation, rows: range, channels: range) -> None:
        for row in rows:
            values = operations.compute(self, op, row, channels)
            output = self.plan.tensors[op.output]
            if output.storage == OUTPUT:
                place = op.output_channel + channels.start
                self.arrays[op.output][place : place + len(channels), row] = values.T
                continue
            assert values.dtype == np.uint8
            self.memory.write(op.output, row, op.output_channel + channels.start, values)

    def window(self, op: Operation, row: int, columns: int) -> np.ndarray:
        """What an output row is computed from, (columns, kernel_h, kernel_w, pitch)."""
        tensor = self.plan.tensors[op.inputs[0]]
        rows = []
        for tap in range(op.kernel[0]):
            at = row * op.stride[0] - op.pads[0] + tap * op.dilation[0]
            if 0 <= at < tensor.height:
                rows.append(self.memory.read(op.inputs[0], at))
            else:
                rows.append(self.memory.read_pad_row(op.pad_row, tensor))
        start = tensor.pad_left - op.pads[1]
        at = start + np.arange(columns)[:, None] * op.stride[1]
        at = at + np.arange(op.kernel[1])[None] * op.dilation[1]
        assert at.min() >= 0, f"{tensor.name}: a window begins before its pads"
        assert at.max() < tensor.row_pixels, f"{tensor.name}: a window ends behind its pads"
        return np.stack(rows)[:, at].transpose(1, 0, 2, 3)


def needed_rows(
    ops: list[Operation], tensors: list[Tensor], strip: tuple[int, int]
) -> list[tuple[int, int]]:
    """Rows [low, high) that each operation makes for a strip of the last one."""
    made = []
    wanted: dict[int, tuple[int, int]] = {}
    for op in reversed(ops):
        a, b = wanted.get(op.output, strip) if made else strip
        made.append((a, b))
        for place, number in enumerate(op.inputs):
            height = tensors[number].height
            gate = place == 1 and height < tensors[op.output].height
            if op.code in READS_WHOLE or gate:
                low, high = 0, height
            elif op.code in WINDOWED:
                (k, s, d, p) = op.kernel[0], op.stride[0], op.dilation[0], op.pads[0]
                low = max(0, a * s - p)
                high = min(height, (b - 1) * s - p + (k - 1) * d + 1)
            else:
                low, high = a, b
            before = wanted.get(number, (low, high))
            wanted[number] = (min(low, before[0]), max(high, before[1]))
    return made[::-1]
