"""Arithmetic of a plan's operations in numpy, one output row at a time, as plan.h words it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from plans.plan_file import Operation

if TYPE_CHECKING:
    from plans.executor import Executor

F = np.float32
FLOAT = 1
EXCLUDE_PADS = 1


def compute(plan: Executor, op: Operation, row: int, channels: range) -> np.ndarray:
    """The values of an output row, (width, channels)."""
    return COMPUTE[op.code](plan, op, row, channels)


def _constant(plan: Executor, offset: int, dtype: str, count: int) -> np.ndarray:
    assert offset % 64 == 0
    assert offset + count * np.dtype(dtype).itemsize <= len(plan.plan.data)
    return np.frombuffer(plan.plan.data, dtype, count, offset)


def _finish(plan: Executor, op: Operation, q: np.ndarray) -> np.ndarray:
    y = np.clip(q, op.low, op.high).astype(np.uint8)
    if op.table != 2**64 - 1:
        y = _constant(plan, op.table, "u1", 256)[y]
    return y


def _pixels(
    plan: Executor, op: Operation, place: int, row: int, first: int, count: int
) -> np.ndarray:
    """Channels of one row without pads, (width, count), int64."""
    number = op.inputs[place]
    tensor = plan.plan.tensors[number]
    plan.memory.check_channels(number, row, first, count)
    line = plan.memory.read(number, row)[tensor.pad_left : tensor.pad_left + tensor.width]
    return line[:, first : first + count].astype(np.int64)


def _quantise(plan: Executor, op: Operation, row: int, channels: range) -> np.ndarray:
    x = plan.arrays[op.inputs[0]][channels.start : channels.stop, row].T
    if x.dtype == np.uint8:
        return x
    return _finish(plan, op, np.rint(x / op.factors[0]) + op.zero_point)


def _dequantise(plan: Executor, op: Operation, row: int, channels: range) -> np.ndarray:
    x = _pixels(plan, op, 0, row, op.input_channel + channels.start, len(channels))
    if plan.plan.tensors[op.output].type != FLOAT:
        return x.astype(np.uint8)
    if op.weights != 2**64 - 1:
        return _constant(plan, op.weights, "<f4", 256)[x]
    return (x - op.zero_points[0]).astype(F) * op.factors[0]


def _sums(plan: Executor, op: Operation, row: int, channels: range) -> np.ndarray:
    """Products of a window and the weights, with the bias, (width, channels), int64."""
    width = plan.plan.tensors[op.output].width
    patches = plan.window(op, row, width)
    (kh, kw), outputs = op.kernel, op.output_channels
    chosen = slice(channels.start, channels.stop)
    lanes = -(-outputs // 16) * 16
    if op.code == 4:
        packed = _constant(plan, op.weights, "i1", lanes * kh * kw).reshape(-1, kh * kw, 16)
        weights = packed.transpose(0, 2, 1).reshape(lanes, kh, kw)[chosen]
        first = op.input_channel + channels.start
        inputs = patches[..., first : first + len(channels)].astype(np.int64)
        sums = np.einsum("xijc,cij->xc", inputs, weights.astype(np.int64))
    elif op.code == 5:
        each = op.channels // op.channel_groups
        deep = -(-each // 4) * 4
        packed = _constant(plan, op.weights, "i1", outputs * kh * kw * deep)
        weights = packed.reshape(outputs, kh, kw, deep)
        assert not weights[..., each:].any()
        sums = np.zeros((width, len(channels)), np.int64)
        for place, channel in enumerate(channels):
            first = op.input_channel + channel // (outputs // op.channel_groups) * each
            part = patches[..., first : first + each].astype(np.int64)
            sums[:, place] = np.einsum("xijc,ijc->x", part, weights[channel, ..., :each])
    else:
        deep = -(-op.channels // 4) * 4
        packed = _constant(plan, op.weights, "i1", lanes * kh * kw * deep)
        blocks = packed.reshape(lanes // 16, kh, kw, deep // 4, 16, 4)
        weights = blocks.transpose(0, 4, 1, 2, 3, 5).reshape(lanes, kh, kw, deep)
        assert not weights[outputs:].any()
        assert op.input_channel % 4 == 0
        part = patches[..., op.input_channel : op.input_channel + deep].astype(np.float64)
        # Products and sums of 32 bits are exact in float64, whose product numpy has a kernel for.
        matrix = weights[chosen].reshape(len(channels), -1).astype(np.float64)
        sums = (part.reshape(width, -1) @ matrix.T).astype(np.int64)
    return sums + _constant(plan, op.bias, "<i4", lanes)[chosen]


def _product(plan: Executor, op: Operation, row: int, channels: range) -> np.ndarray:
    sums = _sums(plan, op, row, channels)
    assert np.abs(sums).max(initial=0) < 2**31
    lanes = -(-op.output_channels // 16) * 16
    multiplier = _constant(plan, op.multiplier, "<f4", lanes)[channels.start : channels.stop]
    scaled = sums.astype(np.int32).astype(F) * multiplier
    if plan.plan.tensors[op.output].type == FLOAT:
        return scaled
    return _finish(plan, op, np.rint(scaled).astype(np.int64) + op.zero_point)


def _add(plan: Executor, op: Operation, row: int, channels: range) -> np.ndarray:
    a, b, c = (np.float64(factor) for factor in op.factors)
    first = op.input_channel + channels.start
    x0 = _pixels(plan, op, 0, row, first, len(channels))
    x1 = _pixels(plan, op, 1, row, channels.start, len(channels))
    inner = (x1 * b + c).astype(F).astype(np.float64)
    return _finish(plan, op, np.rint((x0 * a + inner).astype(F)))


def _multiply(plan: Executor, op: Operation, row: int, channels: range) -> np.ndarray:
    image, factor = (plan.plan.tensors[number] for number in op.inputs)
    is_gate = (factor.height, factor.width) == (1, 1) != (image.height, image.width)
    first = op.input_channel + channels.start
    x0 = _pixels(plan, op, 0, row, first, len(channels)) - op.zero_points[0]
    at = 0 if is_gate else row
    x1 = _pixels(plan, op, 1, at, channels.start, len(channels)) - op.zero_points[1]
    scaled = (x0 * x1).astype(F) * op.factors[0]
    return _finish(plan, op, np.rint(scaled + op.factors[2]))


def _table(plan: Executor, op: Operation, row: int, channels: range) -> np.ndarray:
    first = op.input_channel + channels.start
    return _finish(plan, op, _pixels(plan, op, 0, row, first, len(channels)))


def _max_pool(plan: Executor, op: Operation, row: int, channels: range) -> np.ndarray:
    width = plan.plan.tensors[op.output].width
    first = op.input_channel + channels.start
    patches = plan.window(op, row, width)[..., first : first + len(channels)]
    return _finish(plan, op, patches.max(axis=(1, 2)).astype(np.int64))


def _average_pool(plan: Executor, op: Operation, row: int, channels: range) -> np.ndarray:
    width = plan.plan.tensors[op.output].width
    source = plan.plan.tensors[op.inputs[0]]
    first = op.input_channel + channels.start
    patches = plan.window(op, row, width)[..., first : first + len(channels)].astype(np.int64)
    reals = (patches - op.zero_points[0]).astype(F) * op.factors[0]
    sums = np.zeros((width, len(channels)), F)
    for tap in np.ndindex(op.kernel):
        sums = sums + reals[:, tap[0], tap[1]]
    counts = np.full(width, op.kernel[0] * op.kernel[1])
    if op.flags & EXCLUDE_PADS:
        at = row * op.stride[0] - op.pads[0] + np.arange(op.kernel[0]) * op.dilation[0]
        rows = ((at >= 0) & (at < source.height)).sum()
        across = np.arange(width)[:, None] * op.stride[1] - op.pads[1]
        across = across + np.arange(op.kernel[1]) * op.dilation[1]
        counts = rows * ((across >= 0) & (across < source.width)).sum(axis=1)
    scaled = sums / counts.astype(F)[:, None] / op.factors[1] + F(op.zero_point)
    return _finish(plan, op, np.rint(scaled))


def _global_pool(plan: Executor, op: Operation, row: int, channels: range) -> np.ndarray:
    source = plan.plan.tensors[op.inputs[0]]
    first = op.input_channel + channels.start
    sums = sum(
        (_pixels(plan, op, 0, at, first, len(channels)) - op.zero_points[0]).sum(axis=0)
        for at in range(source.height)
    )
    return _mean(plan, op, np.asarray(sums))


def pool_row(plan: Executor, op: Operation, row: int) -> np.ndarray | None:
    """Adds a row to the sums of a pool; its result (1, channels) behind the last one."""
    sums = plan.memory.sums(op.pad_row, op.channels)
    line = _pixels(plan, op, 0, row, op.input_channel, op.channels) - op.zero_points[0]
    sums[:] = line.sum(axis=0) + (sums if row else 0)
    is_last = row + 1 == plan.plan.tensors[op.inputs[0]].height
    return _mean(plan, op, sums) if is_last else None


def _mean(plan: Executor, op: Operation, sums: np.ndarray) -> np.ndarray:
    scaled = sums.astype(F) * op.factors[0]
    return _finish(plan, op, np.rint(scaled).astype(np.int64) + op.zero_point)[None]


def _channels(plan: Executor, op: Operation, row: int, channels: range) -> np.ndarray:
    numbers = _constant(plan, op.weights, "<u4", op.output_channels)
    taps, numbers = numbers >> 17, op.input_channel + numbers % 2**17
    assert (numbers < op.input_channel + op.channels).all()
    patches = plan.window(op, row, plan.plan.tensors[op.output].width)
    return patches[:, taps // op.kernel[1], taps % op.kernel[1], numbers]


def _resize(plan: Executor, op: Operation, row: int, channels: range) -> np.ndarray:
    output = plan.plan.tensors[op.output]
    index = _constant(plan, op.weights, "<u4", output.height + output.width)
    line = _pixels(plan, op, 0, int(index[row]), op.input_channel, len(channels))
    return line[index[output.height :]].astype(np.uint8)


def _pad(plan: Executor, op: Operation, row: int, channels: range) -> np.ndarray:
    source, output = plan.plan.tensors[op.inputs[0]], plan.plan.tensors[op.output]
    values = np.full((output.width, len(channels)), op.low, np.uint8)
    at = row - op.pads[0]
    if 0 <= at < source.height:
        line = _pixels(plan, op, 0, at, op.input_channel, len(channels))
        values[op.pads[1] : op.pads[1] + source.width] = line
    return values


def _depth_to_space(plan: Executor, op: Operation, row: int, channels: range) -> np.ndarray:
    (high, wide), width = op.stride, plan.plan.tensors[op.output].width
    numbers = _constant(plan, op.weights, "<u4", high * wide * op.output_channels)
    numbers = numbers.reshape(high, wide, -1)[row % high, np.arange(width) % wide]
    line = _pixels(plan, op, 0, row // high, op.input_channel, op.channels)
    return line[np.arange(width)[:, None] // wide, numbers].astype(np.uint8)


def _bilinear(plan: Executor, op: Operation, row: int, channels: range) -> np.ndarray:
    source, output = (plan.plan.tensors[n] for n in (op.inputs[0], op.output))
    count = output.height + output.width
    index = _constant(plan, op.weights, "<u4", 3 * count)
    y, columns = int(index[row]), index[output.height : count].astype(int)
    shares = index[count:].view("<f4").reshape(count, 2)
    v, u = shares[row], shares[output.height :].T[..., None]
    right = np.minimum(columns + 1, source.width - 1)
    lines = [
        (_pixels(plan, op, 0, at, op.input_channel, len(channels)) - op.zero_points[0]).astype(F)
        * op.factors[0]
        for at in (y, min(y + 1, source.height - 1))
    ]
    total = (u[0] * v[0]) * lines[0][columns] + (u[1] * v[0]) * lines[0][right]
    total = total + (u[0] * v[1]) * lines[1][columns]
    total = total + (u[1] * v[1]) * lines[1][right]
    if output.type == FLOAT:
        return total
    return _finish(plan, op, np.rint(total / op.factors[1]) + op.zero_point)


def _response_norm(plan: Executor, op: Operation, row: int, channels: range) -> np.ndarray:
    x = _pixels(plan, op, 0, row, op.input_channel, op.channels) - op.zero_points[0]
    before = (op.channel_groups - 1) // 2
    sides = ((0, 0), (before, op.channel_groups - 1 - before))
    squares = np.lib.stride_tricks.sliding_window_view(
        np.pad(x**2, sides), op.channel_groups, axis=1
    )
    root = np.sqrt(np.sqrt(op.factors[1] + op.factors[2] * squares.sum(axis=2).astype(F)))
    power = root
    for _ in range(op.flags - 1):
        power = power * root
    scaled = x.astype(F) * (op.factors[0] / power)
    return _finish(plan, op, np.rint(scaled).astype(np.int64) + op.zero_point)


def _softmax(plan: Executor, op: Operation, row: int, channels: range) -> np.ndarray:
    x = _pixels(plan, op, 0, row, op.input_channel, op.channels)
    exps = _constant(plan, op.weights, "<u4", 256).astype(np.int64)
    e = exps[255 - x.max(axis=1, keepdims=True) + x]
    total = e.sum(axis=1, keepdims=True)
    return _finish(plan, op, (e * int(op.factors[0]) + total // 2) // total + op.zero_point)


def _function(plan: Executor, op: Operation, row: int, channels: range) -> np.ndarray:
    assert op.inputs == (op.output,)
    x = plan.arrays[op.output][:, row].T.astype(np.float64)
    if op.flags == 4:
        return np.clip(x, op.factors[1], op.factors[2]).astype(F)
    if op.flags == 3:
        return (1 / (1 + np.exp(-x))).astype(F)
    shifted = x - x.max(axis=1, keepdims=True)
    total = np.exp(shifted).sum(axis=1, keepdims=True)
    return (np.exp(shifted) / total if op.flags == 1 else shifted - np.log(total)).astype(F)


COMPUTE = {
    1: _quantise,
    2: _dequantise,
    3: _product,
    4: _product,
    5: _product,
    6: _add,
    7: _multiply,
    8: _table,
    9: _max_pool,
    10: _average_pool,
    11: _global_pool,
    12: _table,
    13: _channels,
    14: _resize,
    15: _pad,
    16: _depth_to_space,
    17: _bilinear,
    18: _response_norm,
    19: _softmax,
    20: _function,
}
