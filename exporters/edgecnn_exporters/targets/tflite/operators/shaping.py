"""Transpose, Reshape, Flatten, Squeeze, Unsqueeze: no data moves, only the view changes."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.targets.tflite import moving
from edgecnn_exporters.targets.tflite.lowering import Lowering
from edgecnn_exporters.targets.tflite.nodes import attribute, shape_of
from edgecnn_exporters.targets.tflite.operators.operator import Operator


def transpose(low: Lowering, node: ir.Node, integer: bool) -> None:
    """A view of the same memory; an operator behind it writes a TRANSPOSE if it needs one."""
    source = node.inputs[0]
    assert source is not None
    rank = len(shape_of(source))
    order = attribute(node, "perm", list(reversed(range(rank))))
    placed = low.read_as_is(source, integer=integer)
    low.view_as(node.outputs[0], source, placed.view.transposed(order))


def reshape(low: Lowering, node: ir.Node, integer: bool) -> None:
    """A view of the same memory where axes are only split and joined, else a RESHAPE."""
    source = node.inputs[0]
    assert source is not None
    shape = shape_of(node.outputs[0])
    placed = low.read_as_is(source, integer=integer)
    view = placed.view.reshaped(shape)
    if view is not None:
        low.view_as(node.outputs[0], source, view)
        return
    order = tuple(range(len(shape_of(source))))
    plain = moving.reshape(low.file, low.read(source, order, integer=integer), shape)
    low.take_over(node.outputs[0], plain, tuple(range(len(shape))), integer=integer)


def drop_nothing(low: Lowering, node: ir.Node, integer: bool) -> None:
    """Dropout: the identity, refused in training mode."""
    mode = node.inputs[2] if len(node.inputs) > 2 else None
    trains = constant(mode)
    if mode is not None and (trains is None or trains.any()):
        raise low.refuse(node, "it is in training mode; export the network after eval()")
    reshape(low, node, integer)


OPERATORS: Mapping[str, Operator] = {
    "Transpose": Operator(transpose),
    **{
        name: Operator(reshape)
        for name in ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity")
    },
    "Dropout": Operator(drop_nothing),
}
