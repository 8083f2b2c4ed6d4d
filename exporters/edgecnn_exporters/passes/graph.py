"""Queries and edits of a graph that the passes share: constants, readers, sizes, replacement."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecnn_runtime.arrays import Array


def constant(value: ir.Value | None) -> Array | None:
    """The value of an initialiser or of a Constant node; None for what is computed or fed."""
    if value is None or value.is_graph_input():
        return None
    tensor = ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()


def scalar(value: ir.Value | None) -> float | None:
    """The one number that a constant holds, whatever its shape."""
    array = constant(value)
    return float(array.reshape(())) if array is not None and array.size == 1 else None


def sole_reader(value: ir.Value) -> ir.Node | None:
    """The node that alone reads `value`; None when others do, or when it leaves the graph."""
    readers = value.uses()
    if value.is_graph_output() or len(readers) != 1:
        return None
    return next(iter(readers)).node


def maker(value: ir.Value | None, *operators: str) -> ir.Node | None:
    """The node of one of those operators that computes `value`, however many read it."""
    node = value.producer() if value is not None else None
    return node if node is not None and is_operator(node, *operators) else None


def producer(value: ir.Value | None, *operators: str) -> ir.Node | None:
    """The node of one of those operators that computes `value` for one reader alone."""
    node = maker(value, *operators)
    return node if node is not None and sole_reader(node.outputs[0]) else None


def why_shared(node: ir.Node, place: str = "before it") -> str | None:
    """Why the output of a node is not for one reader alone; None if it is."""
    if node.outputs[0].is_graph_output():
        return f"the {node.op_type} {place} is an output of the graph"
    if len(node.outputs[0].uses()) != 1:
        return f"the {node.op_type} {place} has a second reader"
    return None


def is_operator(node: ir.Node, *operators: str) -> bool:
    """Whether the node is one of ONNX's own operators of these names."""
    return node.domain == "" and node.op_type in operators


def is_quantised(model: ir.Model) -> bool:
    """Whether the model is a QDQ graph: it has a QuantizeLinear."""
    return any(is_operator(node, "QuantizeLinear") for node in model.graph)


def is_border(node: ir.Node) -> bool:
    """Whether the node only converts values from float to 8 bits, or back."""
    return is_operator(node, "QuantizeLinear", "DequantizeLinear")


def is_set(node: ir.Node, attribute: str) -> bool:
    """Whether an integer attribute that is 0 by default is anything else."""
    return node.attributes.get_int(attribute, 0) != 0


def extent(value: ir.Value, axis: int) -> int | None:
    """The static size of an axis; None when it is dynamic or unknown."""
    if value.shape is None or not -len(value.shape) <= axis < len(value.shape):
        return None
    size = value.shape[axis]
    return size if isinstance(size, int) else None


def rank(value: ir.Value | None) -> int | None:
    """The number of axes; None when unknown."""
    return None if value is None or value.shape is None else len(value.shape)


def static_rest(value: ir.Value | None) -> tuple[int, ...] | None:
    """The sizes of all axes but the first; None when one of them is dynamic or unknown."""
    if value is None or not value.shape:
        return None
    sizes = tuple(size for size in value.shape[1:] if isinstance(size, int))
    return sizes if len(sizes) == len(value.shape) - 1 else None


def is_dead(node: ir.Node) -> bool:
    """Whether nothing reads what the node computes."""
    return not any(value.uses() or value.is_graph_output() for value in node.outputs)


def set_constant(graph: ir.Graph, node: ir.Node, index: int, array: Array, name: str) -> None:
    """Input `index` of the node becomes the constant `array`.

    It keeps the name of the initialiser that it replaces unless another node reads that one too;
    then, or where there was no input, it is called `name`.
    """
    old = node.inputs[index] if index < len(node.inputs) else None
    if old is not None and old.is_initializer() and sole_reader(old) is node:
        tensor = ir.tensor(np.array(array, order="C"), name=old.name)
        old.const_value, old.shape = tensor, ir.Shape(array.shape)
        return
    if index >= len(node.inputs):
        node.resize_inputs(index + 1)
    node.replace_input_with(index, new_initialiser(graph, name, array))


def new_initialiser(graph: ir.Graph, name: str, array: Array) -> ir.Value:
    """A new constant in the graph, named `name` or, where that is taken, `name_1`, ….

    The same name with the same content is the same constant.
    """
    candidate, number = name, 0
    while candidate in graph.initializers:
        other = constant(graph.initializers[candidate])
        if other is not None and other.dtype == array.dtype and np.array_equal(other, array):
            return graph.initializers[candidate]
        number += 1
        candidate = f"{name}_{number}"
    tensor = ir.tensor(np.array(array, order="C"), name=candidate)
    value = ir.Value(
        name=candidate,
        const_value=tensor,
        type=ir.TensorType(tensor.dtype),
        shape=ir.Shape(array.shape),
    )
    graph.register_initializer(value)
    return value


def replace_node(graph: ir.Graph, old: ir.Node, new: ir.Node) -> None:
    """Replace `old` by `new`; its first output takes over name, type, shape and readers."""
    before, after = old.outputs[0], new.outputs[0]
    after.type, after.shape = before.type, before.shape
    new.metadata_props.update(old.metadata_props)
    new.name = old.name
    ir.convenience.replace_nodes_and_values(graph, old, [old], [new], [before], [after])


def insert_identity(graph: ir.Graph, node: ir.Node, name: str) -> None:
    """Put a LeakyRelu of slope 1 in front of the node's first input: no optimiser knows it."""
    value = node.inputs[0]
    assert value is not None
    identity = ir.node("LeakyRelu", [value], attributes={"alpha": 1.0}, name=name)
    output = identity.outputs[0]
    output.name, output.type, output.shape = name, value.type, value.shape
    graph.insert_before(node, [identity])
    node.replace_input_with(0, output)


def can_take_out(node: ir.Node) -> bool:
    """Whether the readers of the node's output may read its first input instead.

    An output of the graph must be made by a node, and one value cannot leave it by two names.
    """
    source, output = node.inputs[0], node.outputs[0]
    if source is None:
        return False
    fixed = source.is_graph_input() or source.is_initializer() or source.is_graph_output()
    return not (output.is_graph_output() and fixed)


def take_out(graph: ir.Graph, node: ir.Node) -> None:
    """Remove a node that `can_take_out`; its readers read its first input."""
    source, output = node.inputs[0], node.outputs[0]
    assert source is not None
    hand_over(output, source)
    graph.remove(node, safe=True)


def hand_over(old: ir.Value, new: ir.Value) -> None:
    """Readers of `old` read `new`, which takes its name too where it leaves the graph."""
    if old.is_graph_output():
        name, old.name = old.name, f"{old.name}.before"
        new.name = name
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
