"""Gradients of Concat and Split: each other's inverse."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgecnn_exporters.gradient.rule import Backward


def concat(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Concat: the part of dy along the axis that the operand became."""
    emit, count = back.emit, len(back.node.inputs)
    axis = back.node.attributes.get_int("axis", 0) % len(back.output_shape())
    extents = [back.shape(index)[axis] for index in range(count)]
    known = [extent for extent in extents if extent is not None]
    sizes: list[int] | ir.Value = known
    if len(known) < count:
        computed = [
            emit("Shape", back.input(index), start=axis, end=axis + 1) for index in range(count)
        ]
        sizes = emit("Concat", *computed, axis=0)
    parts = emit.many("Split", count, back.gradient, sizes, axis=axis)
    return {index: parts[index] for index in back.wanted}


def split(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Split: the parts' gradients side by side; of an unread part zeros."""
    emit = back.emit
    axis = back.node.attributes.get_int("axis", 0)
    parts = [
        emit("Expand", 0.0, emit("Shape", value)) if gradient is None else gradient
        for value, gradient in zip(back.node.outputs, back.gradients, strict=True)
    ]
    return {0: emit("Concat", *parts, axis=axis)}
