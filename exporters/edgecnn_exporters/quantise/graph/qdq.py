"""Writing the QDQ graph: QuantizeLinear and DequantizeLinear around every 8-bit value.

ONNX's QuantizeLinear and DequantizeLinear say what is held in 8 bits; a runtime computes a node
between them in integers where it can, and in float from the same numbers where it cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_operator, new_initialiser
from edgecnn_exporters.quantise.graph.activation_pair import insert_pair
from edgecnn_exporters.quantise.graph.integer_marks import mark_integer
from edgecnn_exporters.quantise.graph.output_encodings import note_encoding, note_float
from edgecnn_exporters.quantise.graph.plan import QuantisationPlan
from edgecnn_exporters.quantise.graph.real import keep_products_real
from edgecnn_exporters.quantise.graph.rules import RULES, Role
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.encoding import (
    Encoding,
    QuantisedWeight,
    Range,
    encode,
    quantise_bias,
)

# HardSwish adds half the range of its clip: for 0, the commonest value, 127.5 of 255 steps, a tie
# that engines round to either side. Before a clip a number counts so much more, a 32nd of a step.
UNTIED = 1 + 2**-12


@dataclass(frozen=True)
class Numbers:
    """Numbers of a QDQ graph: encodings, integer weights and biases.

    Attributes:
        activations: the encoding of each 8-bit value, by its name.
        weights: of each product, by the node's name.
        biases: (channels,), what replaces the float graph's bias, by the node's name.
        results: how 8 bits would hold the float results of the last sums, by their names.
    """

    activations: Mapping[str, Encoding]
    weights: Mapping[str, QuantisedWeight]
    biases: Mapping[str, Float32] = field(default_factory=dict)
    results: Mapping[str, Encoding] = field(default_factory=dict)


def write_qdq(model: ir.Model, plan: QuantisationPlan, numbers: Numbers) -> ir.Model:
    """A quantised copy of a canonical float model.

    Args:
        plan: of the model's graph.
        numbers: for everything that the plan wants in integers.
    """
    copy = model.clone()
    graph = copy.graph
    nodes = {str(node.name): node for node in graph}
    inputs = {name: _input_name(nodes[name]) for name in numbers.weights}
    values = {str(value.name): value for value in graph.inputs}
    values |= {str(value.name): value for node in graph for value in node.outputs}
    for name, role in plan.integer.items():
        mark_integer(nodes[name])
        if role is Role.PRODUCT:
            _write_product(graph, nodes[name], numbers, numbers.activations[inputs[name]])
        elif role is Role.OWN:
            _write_constants(graph, nodes[name])
    for name, encoding in numbers.activations.items():
        _write_activation(graph, values[name], encoding, plan)
    for name, encoding in numbers.results.items():
        note_encoding(values[name], encoding)
    for value in graph.outputs:
        producer = value.producer()
        if producer is not None and str(producer.name) in plan.coarse:
            note_float(value, plan.coarse[str(producer.name)])
    _drop_unread(graph)
    keep_products_real(graph)
    return copy


def _write_product(graph: ir.Graph, node: ir.Node, numbers: Numbers, source: Encoding) -> None:
    name = str(node.name)
    weight = numbers.weights[name]
    value = node.inputs[1]
    assert value is not None
    integers = new_initialiser(graph, f"{value.name}.quantised", weight.integers)
    scale = _by_channel(weight.scale, weight.integers.shape[weight.axis])
    node.replace_input_with(1, _dequantise(graph, node, integers, scale, weight.axis))
    bias = numbers.biases.get(name)
    if bias is None:
        bias = bias_of(node)
    if bias is None:
        return
    sums, scale = quantise_bias(bias, source.scale, weight.scale)
    if len(node.inputs) < 3:
        node.resize_inputs(3)
    stem = str(value.name).removesuffix(".weight")
    old = node.inputs[2]
    label = f"{stem}.bias" if old is None else str(old.name)
    integers = new_initialiser(graph, f"{label}.quantised", sums)
    scale = _by_channel(scale, len(sums))
    node.replace_input_with(2, _dequantise(graph, node, integers, scale, 0))


def _by_channel(scale: Float32, channels: int) -> Float32:
    """One scale a channel, equal ones where the whole weight has one.

    ONNX Runtime 1.32 (WeightBiasQuantization) takes an integer Conv with a single scale for one
    whose weight is still to be quantised, and computes it in float from other integers.
    """
    return np.full(channels, scale, np.float32) if scale.ndim == 0 else scale


def _write_constants(graph: ir.Graph, node: ir.Node) -> None:
    """A constant operand of an Add or Mul is held in 8 bits too."""
    for index, value in enumerate(node.inputs[: RULES[node.op_type].activations]):
        array = constant(value)
        if value is None or array is None:
            continue
        encoding = encode_operand(node, array)
        integers = new_initialiser(
            graph, f"{value.name}.quantised", encoding.quantise(array.astype(np.float32))
        )
        dequantised = _dequantise(
            graph, node, integers, np.array(encoding.scale), None, encoding.zero_point
        )
        node.replace_input_with(index, dequantised)


def _write_activation(
    graph: ir.Graph, value: ir.Value, encoding: Encoding, plan: QuantisationPlan
) -> None:
    producer = value.producer()
    is_made_of_integers = producer is not None and str(producer.name) in plan.integer
    uses = [
        use for use in value.uses() if is_made_of_integers or str(use.node.name) in plan.integer
    ]
    insert_pair(graph, value, encoding, uses, is_result=is_made_of_integers)


def _dequantise(
    graph: ir.Graph,
    reader: ir.Node,
    integers: ir.Value,
    scale: Array,
    axis: int | None,
    zero_point: int = 0,
) -> ir.Value:
    """The reals of a constant in integers, made right before the first `reader`."""
    name = str(integers.name)
    for use in integers.uses():
        return use.node.outputs[0]
    assert integers.dtype is not None
    zero = np.full(scale.shape, zero_point, integers.dtype.numpy())
    node = _node(
        "DequantizeLinear",
        [
            integers,
            new_initialiser(graph, f"{name}.scale", np.asarray(scale, np.float32)),
            new_initialiser(graph, f"{name}.zero_point", zero),
        ],
        f"{name}.dequantised",
        {} if axis is None else {"axis": axis},
    )
    node.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
    node.outputs[0].shape = integers.shape
    graph.insert_before(reader, [node])
    return node.outputs[0]


def _node(
    operator: str, inputs: list[ir.Value], name: str, attributes: dict[str, int] | None = None
) -> ir.Node:
    node = ir.node(operator, inputs, attributes=attributes or {}, name=name)
    node.outputs[0].name = name
    return node


def _drop_unread(graph: ir.Graph) -> None:
    for name, value in list(graph.initializers.items()):
        if not value.uses() and not value.is_graph_output():
            del graph.initializers[name]


def encode_operand(node: ir.Node, array: Array) -> Encoding:
    """The encoding of a constant operand of a node: its own range."""
    is_offset = is_operator(node, "Add") and any(
        is_operator(use.node, "Clip") for use in node.outputs[0].uses()
    )
    wide = UNTIED if is_offset and array.size == 1 else 1.0
    return encode(Range(wide * float(array.min()), wide * float(array.max())))


def bias_of(node: ir.Node) -> Float32 | None:
    """The bias of a product, (channels,); None where there is none."""
    array = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    return None if array is None else array.astype(np.float32, copy=False)


def _input_name(node: ir.Node) -> str:
    assert node.inputs[0] is not None
    return str(node.inputs[0].name)
