"""Gradients of Expand and Tile: the sum over all copies of a value."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgecnn_exporters.gradient.broadcast import sum_to_input
from edgecnn_exporters.gradient.rule import Backward
from edgecnn_exporters.gradient.rules.moves import shape_operand


def expand(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Expand: the sum of dy over the axes along which x is repeated."""
    return {0: sum_to_input(back, back.gradient, 0)}


def tile(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Tile: the sum of dy over its tiles.

    An axis of r tiles with n values each is ``r x n`` apart, and summed over the first.
    """
    shape, repeats = back.shape(), back.integers(1) or []
    apart: list[int] = []
    tiles: list[int] = []
    for extent, count in zip(shape, repeats, strict=True):
        if count != 1:
            tiles.append(len(apart))
            apart.append(count)
        apart.append(-1 if extent is None else extent)
    if not tiles:
        return {0: back.gradient}
    if apart.count(-1) > 1:
        raise back.refused("more than one of its axes has no fixed size")
    split = back.emit("Reshape", back.gradient, apart)
    summed = back.emit("ReduceSum", split, tiles, keepdims=0)
    return {0: back.emit("Reshape", summed, shape_operand(back, 0))}
