"""Constants of a graph as reals, dequantised where they are integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.encoding import along


@dataclass(frozen=True)
class StoredConstant:
    """A constant as reals, with the scale that it is stored with.

    Attributes:
        reals: its values, dequantised.
        scale: (channels,) or (), of a constant in integers; else None.
        axis: of the channels.
    """

    reals: Array
    scale: Array | None = None
    axis: int | None = None


def stored_constant(value: ir.Value | None) -> StoredConstant | None:
    """A constant, dequantised or cast where the graph does so; None for a computed value."""
    array = constant(value)
    if array is not None:
        return StoredConstant(array)
    node = value.producer() if value is not None else None
    if node is None or node.op_type not in ("DequantizeLinear", "Cast"):
        return None
    if node.op_type == "Cast":
        inner = stored_constant(node.inputs[0])
        return None if inner is None else StoredConstant(inner.reals.astype(np.float32))
    integers, scale = constant(node.inputs[0]), constant(node.inputs[1])
    if integers is None or scale is None:
        return None
    axis = node.attributes.get_int("axis", 1)
    if scale.size > 1 and not (axis < integers.ndim and scale.size == integers.shape[axis]):
        return None
    zero = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    zero_point = 0 if zero is None else along(zero.astype(np.int32), integers.ndim, axis)
    reals = (integers.astype(np.int32) - zero_point) * along(scale, integers.ndim, axis)
    return StoredConstant(reals.astype(np.float32), scale, axis if scale.ndim else None)


def reals(value: ir.Value | None) -> Array | None:
    """The reals of a constant; None for a computed value."""
    stored = stored_constant(value)
    return None if stored is None else stored.reals


def input_of(node: ir.Node, index: int) -> ir.Value | None:
    """An input of a node; None where it is left out."""
    return node.inputs[index] if index < len(node.inputs) else None
