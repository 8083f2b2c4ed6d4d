"""Pad, written as PAD, PADV2, MIRROR_PAD or SLICE."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.passes.graph import constant, scalar
from edgecnn_exporters.targets.tflite import moving
from edgecnn_exporters.targets.tflite.lowering import BUILTIN, Lowering
from edgecnn_exporters.targets.tflite.nodes import attribute, shape_of
from edgecnn_exporters.targets.tflite.operators.operator import Operator
from edgecnn_exporters.targets.tflite.operators.windows import pad
from edgecnn_runtime.arrays import Array


def pad_node(low: Lowering, node: ir.Node, integer: bool) -> None:
    """PAD with zeros, PADV2 with another number, MIRROR_PAD by reflection, SLICE where negative.

    Modes edge and wrap are a GATHER along each padded axis.
    """
    source, output = node.inputs[0], node.outputs[0]
    assert source is not None
    order = low.order_of(source)
    data = low.read(source, order, integer=integer)
    widths = _widths(low, node, len(shape_of(source)))[list(order)]
    inner, outer = np.minimum(widths, 0), np.maximum(widths, 0).astype(np.int32)
    if inner.any():
        sizes = np.array(low.file.shape(data)) + inner.sum(axis=1)
        data = moving.cut(low.file, data, [-int(n) for n in inner[:, 0]], [int(n) for n in sizes])
    mode = attribute(node, "mode", "constant")
    if not outer.any():
        result = data
    elif mode == "constant":
        result = pad(low, data, outer, _fill(low, node, integer=integer))
    elif mode == "reflect":
        result = _reflect(low, data, outer)
    else:
        result = _repeat(low, data, outer, wraps=mode == "wrap")
    low.take_over(output, result, order, integer=integer)


def _widths(low: Lowering, node: ir.Node, rank: int) -> Array:
    """Padding (rank, 2) before and after each axis."""
    pads = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    if pads is None:
        raise low.refuse(node, "its widths are computed, expected constants")
    axes = constant(node.inputs[3]) if len(node.inputs) > 3 else None
    chosen = range(rank) if axes is None else [int(axis) % rank for axis in axes]
    widths = np.zeros((rank, 2), np.int64)
    for index, axis in enumerate(chosen):
        widths[axis] = pads[index], pads[index + len(chosen)]
    return widths


def _fill(low: Lowering, node: ir.Node, *, integer: bool) -> Array | None:
    value = node.inputs[2] if len(node.inputs) > 2 else None
    number = scalar(value) if value is not None else 0.0
    if number is None:
        raise low.refuse(node, "what it pads with is computed, expected a constant")
    return None if integer or number == 0 else np.array(number, np.float32)


def _reflect(low: Lowering, tensor: int, widths: Array) -> int:
    shape = [
        size + int(sum(both)) for size, both in zip(low.file.shape(tensor), widths, strict=True)
    ]
    result = low.file.like(tensor, "reflected", shape)
    options = schema.MirrorPadOptionsT()
    options.mode = schema.MirrorPadMode.REFLECT
    low.file.operator(BUILTIN.MIRROR_PAD, [tensor, low.numbers("pads", widths)], [result], options)
    return result


def _repeat(low: Lowering, tensor: int, widths: Array, *, wraps: bool) -> int:
    for axis, (before, after) in enumerate(widths):
        if not before and not after:
            continue
        size = low.file.shape(tensor)[axis]
        places = np.arange(-before, size + after)
        places = places % size if wraps else np.clip(places, 0, size - 1)
        tensor = moving.gather(low.file, tensor, places.astype(np.int32), axis)
    return tensor


OPERATORS: Mapping[str, Operator] = {"Pad": Operator(pad_node)}
