"""Gradients of operators that move values one to one: the way back moves them home."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgecnn_exporters.gradient.rule import Backward


def identity(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Identity, and of Dropout outside of training: ``dx = dy``."""
    return {0: back.gradient}


def cast(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Cast between floats: dy in the type of x. Of one to integers there is none."""
    before, after = back.input(0).dtype, back.output.dtype
    if before is None or after is None:
        raise back.refused("the type of its input or output is unknown")
    if not (before.is_floating_point() and after.is_floating_point()):
        return {}
    return {0: back.emit("Cast", back.gradient, to=int(before))}


def reshape(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Reshape, Flatten, Squeeze and Unsqueeze: ``dx`` is ``dy`` in the shape of x."""
    return {0: back.emit("Reshape", back.gradient, shape_operand(back, 0))}


def transpose(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Transpose: dy with its axes in the inverse order."""
    count = len(back.shape())
    order = back.node.attributes.get_ints("perm") or list(reversed(range(count)))
    inverse = [list(order).index(axis) for axis in range(count)]
    return {0: back.emit("Transpose", back.gradient, perm=inverse)}


def depth_to_space(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of DepthToSpace with blocks of b x b: dy (N, C, b H, b W) to (N, C b b, H, W).

    SpaceToDepth is the inverse of the mode DCR; of CRD the block's axes stand behind the channels.
    """
    emit, dy = back.emit, back.gradient
    block = back.node.attributes.get_int("blocksize", 1)
    if back.node.attributes.get_string("mode", "DCR") == "DCR":
        return {0: emit("SpaceToDepth", dy, blocksize=block)}
    _, channels, height, width = back.shape()
    if channels is None or height is None or width is None:
        raise back.refused("the size of its input is not fixed")
    split = emit("Reshape", dy, [-1, channels // block**2, height, block, width, block])
    moved = emit("Transpose", split, perm=[0, 1, 3, 5, 2, 4])
    return {0: emit("Reshape", moved, [-1, channels, height, width])}


def space_to_depth(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of SpaceToDepth: DepthToSpace of dy, mode DCR."""
    block = back.node.attributes.get_int("blocksize", 1)
    return {0: back.emit("DepthToSpace", back.gradient, blocksize=block, mode="DCR")}


def shape_operand(back: Backward, index: int) -> list[int] | ir.Value:
    """The shape of an input as an operand: constant with -1 for one dynamic axis, else computed."""
    shape = back.shape(index)
    if sum(extent is None for extent in shape) <= 1:
        return [-1 if extent is None else extent for extent in shape]
    return back.emit("Shape", back.input(index))
