"""Execution of plans in numpy, strip by strip in memory as a plan lays it out: a test double.

Every row carries the number of the row that was written there, so that a ring that is too short, a
row that was never made and a window that leaves its pads are errors and no wrong numbers.
"""

from __future__ import annotations

import numpy as np
from plans import operations
from plans.memory import Memory
from plans.plan_file import Group, Operation, PlanFile, Tensor

CONVOLUTION, DEPTHWISE, MULTIPLY, GLOBAL_POOL, CHANNELS = 3, 4, 7, 11, 13
READS_WHOLE = (GLOBAL_POOL, 14, 15, 16, 17)
INPUT, OUTPUT, RING, ARENA_RING = 0, 1, 3, 4
NOWHERE = 2**64 - 1
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
                self.arrays[number] = (
                    np.full(shape, np.nan, np.float32) if tensor.type else np.zeros(shape, np.uint8)
                )
        for group in self.plan.groups:
            self._run_group(group)
        return [self.arrays[i] for i, t in enumerate(tensors) if t.storage == OUTPUT]

    def _run_group(self, group: Group) -> None:
        ops = self.plan.operations[group.first : group.first + group.count]
        if group.flags:
            self._begin(ops)
            RowOrder(self, ops).run()
            return
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
            self.memory.forget(op.output)
        for op in ops:
            if op.pad_row != NOWHERE and op.code != GLOBAL_POOL:
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
                self.make_rows(op, spans[place], range(op.output_channels))
            elif place == loop.start:
                blocks = range(0, op.output_channels, 64)
                for block in blocks:
                    for inner in loop:
                        last = min(block + 64, ops[inner].output_channels)
                        self.make_rows(ops[inner], spans[inner], range(block, last))
        for place, (_, high) in enumerate(needed):
            made[place] = max(made.get(place, 0), high)

    def make_rows(self, op: Operation, rows: range, channels: range) -> None:
        """Rows of some of an operation's channels."""
        for row in rows:
            self.write(op, row, channels.start, operations.compute(self, op, row, channels))

    def write(self, op: Operation, row: int, channel: int, values: np.ndarray) -> None:
        """A row of an operation's output, (width, channels), from one of its channels on."""
        output, place = self.plan.tensors[op.output], op.output_channel + channel
        if output.storage == OUTPUT:
            self.arrays[op.output][place : place + values.shape[1], row] = values.T
            return
        assert values.dtype == np.uint8
        self.memory.write(op.output, row, place, values)

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


class RowOrder:
    """A group that runs in order: each row asks for those that it is computed from."""

    def __init__(self, executor: Executor, ops: list[Operation]) -> None:
        self.executor, self.ops = executor, ops
        self.tensors = executor.plan.tensors
        self.made = [0] * len(ops)

    def run(self) -> None:
        last = len(self.ops) - 1
        self.make(last, self.tensors[self.ops[last].output].height)
        for place, op in enumerate(self.ops):
            if self.tensors[op.output].storage not in (RING, ARENA_RING):
                self.make(place, self.tensors[op.output].height)

    def make(self, place: int, end: int) -> None:
        """Rows of an operation's output up to `end`."""
        op = self.ops[place]
        is_sum = op.code == GLOBAL_POOL and op.pad_row != NOWHERE
        if is_sum and self.made[place] < end:
            for row in range(self.tensors[op.inputs[0]].height):
                self._ask(place, {op.inputs[0]: row + 1})
                values = operations.pool_row(self.executor, op, row)
            assert values is not None
            self.executor.write(op, 0, 0, values)
            self.made[place] = 1
        while self.made[place] < end:
            row = self.made[place]
            wanted = rows_read(op, self.tensors, (row, row + 1)) | {op.output: (row, row + 1)}
            self._ask(place, {number: high for number, (_, high) in wanted.items()})
            self.executor.make_rows(op, range(row, row + 1), range(op.output_channels))
            self.made[place] += 1

    def _ask(self, place: int, ends: dict[int, int]) -> None:
        for maker in range(place):
            if self.ops[maker].output in ends:
                self.make(maker, ends[self.ops[maker].output])


def rows_read(
    op: Operation, tensors: list[Tensor], rows: tuple[int, int]
) -> dict[int, tuple[int, int]]:
    """By input: the rows [low, high) that rows of the output are computed from."""
    found: dict[int, tuple[int, int]] = {}
    a, b = rows
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
        before = found.get(number, (low, high))
        found[number] = (min(low, before[0]), max(high, before[1]))
    return found


def needed_rows(
    ops: list[Operation], tensors: list[Tensor], strip: tuple[int, int]
) -> list[tuple[int, int]]:
    """Rows [low, high) that each operation makes for a strip of the last one."""
    made = []
    wanted: dict[int, tuple[int, int]] = {}
    for op in reversed(ops):
        a, b = wanted.get(op.output, strip) if made else strip
        made.append((a, b))
        for number, (low, high) in rows_read(op, tensors, (a, b)).items():
            before = wanted.get(number, (low, high))
            wanted[number] = (min(low, before[0]), max(high, before[1]))
    return made[::-1]
