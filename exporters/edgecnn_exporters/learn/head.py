"""Layer of the classes in a training graph: its number of classes left open."""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_operator
from edgecnn_runtime.training import Head

CLASSES = "classes"
_LAYERS = ("Conv", "Gemm")


def find_head(graph: ir.Graph, parameters: Collection[str]) -> Head | None:
    """The last layer with weights where the classes are axis 0 of its weight and it is learnt.

    A Gemm (classes, features), or a Conv (classes, channels, kH, kW) of one group.
    """
    node = _last_layer(graph)
    if node is None or node.attributes.get_int("group", 1) != 1:
        return None
    if is_operator(node, "Gemm") and not node.attributes.get_int("transB", 0):
        return None
    weight = node.inputs[1]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    learnt = [value for value in (weight, bias) if value is not None]
    if weight is None or any(str(value.name) not in parameters for value in learnt):
        return None
    output = graph.outputs[0]
    classes = weight.shape[0] if weight.shape is not None else None
    if output.shape is None or len(output.shape) < 2 or output.shape[1] != classes:
        return None
    return Head(str(weight.name), None if bias is None else str(bias.name))


def open_classes(model: ir.Model, head: Head) -> None:
    """Give the number of classes a name in the shapes of the head and of all values behind it.

    Differentiation then computes what depends on it from the shapes of a step's values.
    """
    graph = model.graph
    names = [name for name in (head.weight, head.bias) if name is not None]
    values = [graph.initializers[name] for name in names]
    count = values[0].shape[0] if values[0].shape is not None else None
    for value in values:
        _open_axis(value, 0, count)
    node = _last_layer(graph)
    behind = set() if node is None else set(node.outputs)
    for each in graph:
        if any(value in behind for value in each.inputs):
            behind.update(each.outputs)
    for value in behind:
        _open_axis(value, 1, count)


def _open_axis(value: ir.Value, axis: int, count: object) -> None:
    shape = value.shape
    if shape is None or len(shape) <= axis or shape[axis] != count:
        return
    opened = [ir.SymbolicDim(CLASSES) if i == axis else each for i, each in enumerate(shape)]
    value.shape = ir.Shape(opened)


def _last_layer(graph: ir.Graph) -> ir.Node | None:
    """The last layer that has a weight, if it is of a form with the classes first."""
    last = None
    for node in graph:
        is_layer = node.op_type in (*_LAYERS, "ConvTranspose", "MatMul") and node.domain == ""
        if is_layer and len(node.inputs) > 1 and constant(node.inputs[1]) is not None:
            last = node
    return last if last is not None and is_operator(last, *_LAYERS) else None
