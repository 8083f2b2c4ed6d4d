"""Gradient of Slice: the values go back to their places, with zeros between and around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.gradient.rule import Backward

# From here on an end means the end of the axis, however long it is (ONNX, Slice).
_UNBOUNDED = 2**31 - 1


@dataclass(frozen=True)
class Cut:
    """Positions of an axis that a Slice takes.

    Attributes:
        extent: of the axis.
    """

    axis: int
    extent: int
    positions: range


def slice_axes(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Slice: ``dx[start + i step] = dy[i]`` along each axis, 0 elsewhere.

    Backwards steps are turned round first, and wide ones get their zeros between the values; one
    Pad then puts zeros around all axes.
    """
    gradient, emit = back.gradient, back.emit
    shape = list(back.output_shape())
    before, behind = [0] * len(shape), [0] * len(shape)
    steps: dict[int, int] = {}
    for cut in _cuts(back):
        positions = cut.positions
        if positions.step < 0:
            positions = positions[::-1]
            gradient = emit("Slice", gradient, [-1], [-(2**31)], [cut.axis], [-1])
        if len(positions) > 1 and positions.step > 1:
            steps[cut.axis] = positions.step
        before[cut.axis] = positions.start if len(positions) else 0
        taken = len(positions) * steps.get(cut.axis, 1)
        behind[cut.axis] = cut.extent - before[cut.axis] - taken
    if steps:
        gradient = _spread(emit, gradient, shape, steps)
    if any(before) or any(behind):
        gradient = emit("Pad", gradient, [*before, *behind])
    return {0: gradient}


def _cuts(back: Backward) -> list[Cut]:
    """The positions along each axis that is cut, with ends clamped as ONNX's Slice does."""
    shape = back.shape()
    starts, ends = (back.integers(1, "starts") or [], back.integers(2, "ends") or [])
    axes = back.integers(3, "axes") or list(range(len(starts)))
    steps = back.integers(4) or [1] * len(starts)
    cuts = []
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        place = axis % len(shape)
        extent = shape[place]
        if extent is not None:
            positions = range(*slice(start, end, step).indices(extent))
            cuts.append(Cut(place, extent, positions))
        elif (start, step) != (0, 1) or end < _UNBOUNDED:
            raise back.refused(f"it cuts axis {place}, whose size is not fixed")
    return cuts


def _spread(
    emit: Emitter, value: ir.Value, shape: Sequence[int | None], steps: Mapping[int, int]
) -> ir.Value:
    """The values with ``step - 1`` zeros behind each, along axes with a step.

    Each is repeated by a Resize, and its copies are multiplied by 0: ONNX Runtime 1.32 takes ten
    times as long for a Pad behind each value.
    """
    factors = np.array([steps.get(axis, 1) for axis in range(len(shape))], np.float32)
    is_first = np.ones([1] * len(shape), np.float32)
    for axis, step in steps.items():
        places = np.arange((shape[axis] or 0) * step) % step == 0
        is_first = is_first * places.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    repeated = emit(
        "Resize",
        value,
        None,
        factors,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    return emit("Mul", repeated, is_first.astype(np.float32))
