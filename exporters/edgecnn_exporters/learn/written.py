"""Layers and encodings of the int8 artefact that a device writes anew from what was learnt."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx_ir as ir

from edgecnn_exporters.gradient.differentiate import active_values
from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.passes.graph import maker
from edgecnn_exporters.quantise.graph.rules import RULES, Role
from edgecnn_runtime.training import RANGE, QuantisedLayer, SeenRange

if TYPE_CHECKING:
    from edgecnn_exporters.quantise.state import LadderState

LISTED = 3


@dataclass(frozen=True)
class Written:
    """What of the int8 artefact follows the learnt parameters.

    Attributes:
        layers: integer layers with a learnt weight.
        ranges: values in 8 bits that change with what is learnt.
        groups: of each of `ranges`, by its value, all values that share its encoding.
        obstacle: why the int8 artefact cannot be written anew; None where it can.
    """

    layers: tuple[QuantisedLayer, ...] = ()
    ranges: tuple[SeenRange, ...] = ()
    groups: Mapping[str, tuple[str, ...]] | None = None
    obstacle: str | None = None


def int8_written(
    model: ir.Model, parameters: Collection[str], state: LadderState, bits: int = 8
) -> Written:
    """The layers and encodings of the QDQ graph that depend on parameters.

    It can be written anew where every integer layer that is learnt or behind a learnt one has its
    own weight among the parameters, and no frozen value shares an encoding with one that changes.

    Args:
        model: the float graph with the names of the float artefact.
        bits: of the weights.
    """
    graph, qdq = model.graph, state.qdq.graph
    active = active_values(graph, [graph.initializers[name] for name in parameters])
    changing = {str(value.name) for value in active} - set(parameters)
    nodes = {str(node.name): node for node in qdq}
    products = []
    for name, role in state.plan.integer.items():
        node = nodes[name]
        if str(node.outputs[0].name).removesuffix(".float") not in changing:
            if _reads(node, changing):
                return Written(obstacle=f"{name} has another form in 8 bits")
            continue
        if role is Role.OWN and _learnt_operands(graph, name, parameters):
            return Written(obstacle=f"{name} has a learnt constant in 8 bits")
        if role is Role.PRODUCT:
            products.append(node)
    layers = [_layer(node, parameters, bits) for node in products]
    held = {name for each in layers if each for name in (each.weight, each.bias)}
    if lost := [n for n in parameters if n not in held and n not in qdq.initializers]:
        return Written(obstacle=f"{_listing(lost)} has another form in 8 bits")
    if frozen := [str(n.name) for n, each in zip(products, layers, strict=True) if each is None]:
        return Written(obstacle=f"{_listing(frozen)} behind what is learnt is frozen")
    shared = {name: group.values for name, group in state.plan.group_of.items()}
    encoded = [name for name in state.numbers.activations if name in changing]
    for name in encoded:
        if apart := [each for each in shared.get(name, (name,)) if each not in changing]:
            return Written(obstacle=f"{_listing(apart)} shares the encoding of {name}")
    ranges = tuple(_seen(nodes, name) for name in encoded)
    groups = {name: tuple(shared.get(name, (name,))) for name in encoded}
    return Written(tuple(each for each in layers if each is not None), ranges, groups)


def _layer(node: ir.Node, parameters: Collection[str], bits: int) -> QuantisedLayer | None:
    """The integer layer of a learnt weight; None where weight or bias are not learnt."""
    stems = [_stem(value) for value in node.inputs[1:3]]
    source = maker(node.inputs[0], "DequantizeLinear")
    if source is None or any(each is not None and each not in parameters for each in stems):
        return None
    weight, bias = stems[0], stems[1] if len(stems) > 1 else None
    assert weight is not None, "a product has a weight"
    scale = source.inputs[1]
    assert scale is not None, "DequantizeLinear has a scale"
    axis = RULES[node.op_type].weight_axis
    return QuantisedLayer(weight, bias, str(scale.name), axis, bits)


def _stem(value: ir.Value | None) -> str | None:
    """The float initialiser of a constant in integers: of ``NAME.quantised``, NAME."""
    node = None if value is None else maker(value, "DequantizeLinear")
    integers = None if node is None else node.inputs[0]
    if integers is None:
        return None if value is None else str(value.name)
    return str(integers.name).removesuffix(".quantised")


def _reads(node: ir.Node, names: Collection[str]) -> bool:
    read = (str(value.name) for value in node.inputs if value is not None)
    return any(name.removesuffix(".dequantised") in names for name in read)


def _learnt_operands(graph: ir.Graph, name: str, parameters: Collection[str]) -> bool:
    node = next((each for each in graph if str(each.name) == name), None)
    values = () if node is None else node.inputs
    return any(value is not None and str(value.name) in parameters for value in values)


def _seen(nodes: Mapping[str, ir.Node], name: str) -> SeenRange:
    node = nodes[f"{name}.quantised"]
    scale, zero_point = node.inputs[1], node.inputs[2]
    assert scale is not None
    assert zero_point is not None
    return SeenRange(name, str(scale.name), str(zero_point.name))


def _listing(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{', '.join(names[:LISTED])}{more}"


def add_ranges(model: ir.Model, written: Written) -> None:
    """Add the outputs of `Training.ranges` to a training graph: least and greatest of a batch.

    Values that share an encoding share the range that holds them all.
    """
    graph = model.graph
    values = {str(value.name): value for value in (*graph.inputs, *_made(graph))}
    emit = Emitter(graph)
    for seen in written.ranges:
        names = (written.groups or {}).get(seen.value, (seen.value,))
        emit.within(seen.value)
        ends = []
        for reduce, join in (("ReduceMin", "Min"), ("ReduceMax", "Max")):
            each = [emit(reduce, values[name], keepdims=0) for name in names]
            joined = each[0] if len(each) == 1 else emit(join, *each)
            ends.append(emit("Unsqueeze", joined, [0]))
        output = emit("Concat", *ends, name=f"{seen.value}{RANGE}", axis=0)
        output.type, output.shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape((2,))
        graph.outputs.append(output)


def _made(graph: ir.Graph) -> list[ir.Value]:
    return [value for node in graph for value in node.outputs]
