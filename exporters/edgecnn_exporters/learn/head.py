"""Layer of the classes in a training graph: its number of classes left open."""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_operator
from edgecnn_runtime.training import Head

CLASSES = "classes"
_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def find_head(graph: ir.Graph, parameters: Collection[str]) -> Head | None:
    """The last layer with weights where it is a Gemm (classes, features) that is learnt.

    The gradient of a Conv is written for a fixed number of channels, and a Relu behind it, as
    SqueezeNet has, would pass no gradient to a layer that begins as zeros.
    """
    node = _last_layer(graph)
    if node is None or not is_operator(node, "Gemm") or not node.attributes.get_int("transB", 0):
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


def why_fixed(graph: ir.Graph, parameters: Collection[str]) -> str | None:
    """Why a last layer that is learnt cannot get other classes; None where it is frozen."""
    node = _last_layer(graph)
    weight = None if node is None else node.inputs[1]
    if node is None or weight is None or str(weight.name) not in parameters:
        return None
    is_linear = is_operator(node, "Gemm") and node.attributes.get_int("transB", 0) != 0
    reason = "is followed by what depends on their number" if is_linear else "is no linear layer"
    return (
        f"its classes stay, {node.name} ({node.op_type}) {reason}: to learn others, end the "
        "network in torch.nn.Linear"
    )


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
    """The last layer that has a weight."""
    last = None
    for node in graph:
        if is_operator(node, *_LAYERS) and constant(node.inputs[1]) is not None:
            last = node
    return last
