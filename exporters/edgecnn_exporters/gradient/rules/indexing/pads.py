"""Gradient of Pad: what was padded with copies of values goes back to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.gradient.rule import Backward


@dataclass(frozen=True)
class PaddedAxis:
    """An axis of `extent` values with `before` and `behind` more of them."""

    axis: int
    extent: int
    before: int
    behind: int


def pad(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Pad: dy without the padding, and zeros where negative pads cut x off.

    Of the modes reflect, edge and wrap, dy of each padded place is added to that of its source.
    """
    if back.wanted != {0}:
        raise back.refused("the value that it pads with is learnt")
    shape, mode = back.shape(), back.node.attributes.get_string("mode", "constant")
    pads = back.integers(1, "pads") or []
    axes = back.integers(3) if len(back.node.inputs) > 3 else None
    places = [axis % len(shape) for axis in axes or range(len(shape))]
    before = dict(zip(places, pads[: len(places)], strict=True))
    behind = dict(zip(places, pads[len(places) :], strict=True))
    if mode == "constant":
        every = range(len(shape))
        undone = [-given.get(axis, 0) for given in (before, behind) for axis in every]
        return {0: back.emit("Pad", back.gradient, undone)}
    gradient = back.gradient
    for axis in places:
        if before[axis] or behind[axis]:
            padded = _padded(back, axis, before[axis], behind[axis], mode)
            gradient = _return(back.emit, gradient, padded, mode)
    return {0: gradient}


def _padded(back: Backward, axis: int, before: int, behind: int, mode: str) -> PaddedAxis:
    extent = back.shape()[axis]
    if extent is None:
        raise back.refused(f"it pads axis {axis}, whose size is not fixed")
    most = extent - 1 if mode == "reflect" else extent
    if min(before, behind) < 0 or (mode != "edge" and max(before, behind) > most):
        raise back.refused(f"it pads axis {axis} of size {extent} by {before} and {behind}")
    return PaddedAxis(axis, extent, before, behind)


def _return(emit: Emitter, gradient: ir.Value, padded: PaddedAxis, mode: str) -> ir.Value:
    """The gradient of an axis before it was padded."""
    axis, end = padded.axis, padded.before + padded.extent
    parts = [emit("Slice", gradient, [padded.before], [end], [axis])]
    for first, count in ((0, padded.before), (end, padded.behind)):
        if count:
            part = emit("Slice", gradient, [first], [first + count], [axis])
            parts.append(_return_copies(emit, part, padded, count, mode, is_before=first == 0))
    return emit("Sum", *parts)


def _return_copies(
    emit: Emitter, part: ir.Value, padded: PaddedAxis, count: int, mode: str, *, is_before: bool
) -> ir.Value:
    """The gradient of `count` copies at one side, at the places of their sources; zeros elsewhere.

    Copies of the edge are summed, reflected ones turned round.
    """
    axis, extent = padded.axis, padded.extent
    if mode == "edge":
        part, count = emit("ReduceSum", part, [axis], keepdims=1), 1
        offset = 0 if is_before else extent - 1
    elif mode == "reflect":
        part = emit("Slice", part, [-1], [-(2**31)], [axis], [-1])
        offset = 1 if is_before else extent - 1 - count
    else:
        offset = extent - count if is_before else 0
    return emit("Pad", part, [offset, extent - offset - count], None, [axis])
