"""Frozen layers of a training graph in 8 bits: the QDQ graph up to what the learnt layers read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.gradient.differentiate import active_values
from edgecnn_exporters.learn.truth import frontier
from edgecnn_exporters.passes.graph import constant, is_operator, new_initialiser
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.engines.onnxruntime import open_session, unoptimised_options

# Largest difference between a value of the float graph and of the one that was quantised, as a
# share of a channel's magnitude, and of the whole value's: more is no rounding but another scale or
# offset of the channel.
SAME_CHANNEL, SAME_VALUE = 1e-2, 1e-5


@dataclass(frozen=True)
class Backbone:
    """A graph whose frozen layers are those of the QDQ graph, the learnt ones float.

    Attributes:
        model: with the parameters as initialisers.
        features: name of what learnt layers read in `model`, by that in the float graph.
    """

    model: ir.Model
    features: Mapping[str, str]


def int8_backbone(
    model: ir.Model,
    parameters: Collection[str],
    quantised: ir.Model,
    qdq: ir.Model,
    images: Float32,
) -> Backbone | str:
    """The float graph with its frozen prefix in 8 bits; in words why not.

    Values may cross from one part to the other in any number. In the QDQ graph, what is held in 8
    bits is read as ``V.dequantised``.

    Args:
        model: the float graph; not changed.
        parameters: names of the learnt initialisers.
        quantised: the float graph that was quantised: other forms of operators, and perhaps other
            scales of channels.
        qdq: the QDQ graph that was made of it.
        images: to compare both float graphs on.
    """
    computed = _computed(model, parameters)
    if not computed:
        return "no layer in front of the learnt ones is frozen"
    if different := _different(model, quantised, computed, images):
        return different
    values = _values(qdq.graph)
    if missing := [name for name in computed if name not in values]:
        return f"{missing[0]} has another form in 8 bits"
    if not any(is_operator(node, "QuantizeLinear") for node in _before(qdq.graph, computed)):
        return "the frozen layers are float in the int8 artefact too"
    return _joined(model, parameters, qdq)


def float_backbone(
    model: ir.Model, parameters: Collection[str], prefix: ir.Model, images: Float32
) -> Backbone | None:
    """A graph with the frozen layers of another float graph, which folds more of them.

    None where nothing is frozen, or where the values between the two parts differ.
    """
    computed = _computed(model, parameters)
    if not computed or _different(model, prefix, computed, images):
        return None
    return _joined(model, parameters, prefix)


def _computed(model: ir.Model, parameters: Collection[str]) -> list[str]:
    """The values that learnt layers read of frozen ones."""
    inputs = set(model.graph.inputs)
    crossing = frontier(model.graph, parameters)
    return [str(value.name) for value in crossing if value not in inputs]


def _different(
    model: ir.Model, other: ir.Model, names: Sequence[str], images: Float32
) -> str | None:
    """Why some values of one float graph are not those of another; None where they are."""
    values = _values(other.graph)
    if missing := [name for name in names if name not in values]:
        return f"{missing[0]} has another form in 8 bits"
    feeds = {str(model.graph.inputs[0].name): images}
    first, second = (values_of(each, names, feeds) for each in (model, other))
    for name in names:
        if not _is_same(first[name], second[name]):
            return f"the channels of {name} have other scales in 8 bits"
    return None


def _joined(model: ir.Model, parameters: Collection[str], frozen_layers: ir.Model) -> Backbone:
    crossing = [str(value.name) for value in frontier(model.graph, parameters)]
    prefix, suffix = frozen_layers.clone(), model.clone()
    graph, own = prefix.graph, suffix.graph
    active = active_values(own, [own.initializers[name] for name in parameters])
    held, float_values = _values(graph), _values(own)
    features = {name: _held(held, name) for name in crossing}
    for name, value in features.items():
        for use in float_values[name].uses():
            if use.node.outputs[0] in active:
                use.node.replace_input_with(use.idx, value)
    nodes = [node for node in own if node.outputs[0] in active]
    frozen = [str(value.name) for value in own.outputs if value not in active]
    kept = _before(graph, [*crossing, *frozen])
    outputs = list(own.outputs)
    own.outputs.clear()
    graph.outputs[:] = [value if value in active else held[str(value.name)] for value in outputs]
    graph.remove([node for node in reversed(list(graph)) if node not in kept], safe=True)
    _remove_unread(graph)
    own.remove(nodes)
    for value in _constants(nodes):
        _move_constant(own, graph, value)
    graph.extend(nodes)
    for node in graph:
        node.metadata_props.clear()
    return Backbone(prefix, {name: str(value.name) for name, value in features.items()})


def _held(values: Mapping[str, ir.Value], name: str) -> ir.Value:
    """A value as integer nodes read it."""
    return values.get(f"{name}.dequantised", values[name])


def _constants(nodes: Sequence[ir.Node]) -> list[ir.Value]:
    read = [value for node in nodes for value in node.inputs if value is not None]
    return [value for value in dict.fromkeys(read) if value.is_initializer()]


def _move_constant(source: ir.Graph, target: ir.Graph, value: ir.Value) -> None:
    """Move an initialiser; one of the same name and content there stands for it."""
    name = str(value.name)
    del source.initializers[name]
    if name not in target.initializers:
        target.register_initializer(value)
        return
    array = constant(value)
    assert array is not None, "an initialiser is constant"
    there = new_initialiser(target, name, array)
    for use in list(value.uses()):
        use.node.replace_input_with(use.idx, there)


def _remove_unread(graph: ir.Graph) -> None:
    for name, value in list(graph.initializers.items()):
        if not value.uses() and not value.is_graph_output():
            del graph.initializers[name]


def _before(graph: ir.Graph, names: Collection[str]) -> set[ir.Node]:
    """The nodes that values of these names are computed by, with what reads them in 8 bits."""
    values = _values(graph)
    pending = [_held(values, name) for name in names if name in values]
    nodes: set[ir.Node] = set()
    while pending:
        node = pending.pop().producer()
        if node is not None and node not in nodes:
            nodes.add(node)
            pending += [value for value in node.inputs if value is not None]
    return nodes


def _values(graph: ir.Graph) -> dict[str, ir.Value]:
    """The inputs of a graph and what its nodes compute, by name."""
    values = {str(value.name): value for value in graph.inputs}
    return values | {str(value.name): value for node in graph for value in node.outputs}


def values_of(
    model: ir.Model, names: Collection[str], feeds: Mapping[str, Array]
) -> dict[str, Array]:
    """Some values of a float model, by name, each node computed by itself.

    Args:
        feeds: the model's inputs by name; others are not read.
    """
    from edgecnn_exporters.capture.reference import to_bytes

    copy = model.clone()
    values = _values(copy.graph)
    given = {name: feeds[name] for name in names if values[name].is_graph_input()}
    wanted = [name for name in dict.fromkeys(names) if name not in given]
    if not wanted:
        return given
    copy.graph.outputs[:] = [values[name] for name in wanted]
    for value in copy.graph.outputs:
        value.type = value.type or ir.TensorType(ir.DataType.FLOAT)
    session = open_session(to_bytes(copy), unoptimised_options())
    read = {each.name: feeds[each.name] for each in session.get_inputs()}
    return {**given, **dict(zip(wanted, session.run(wanted, read), strict=True))}


def _is_same(first: Array, second: Array) -> bool:
    """Whether two values, (N, C, …), are equal channel by channel but for rounding."""
    if first.shape != second.shape:
        return False
    axes = tuple(axis for axis in range(first.ndim) if axis != 1)
    channels, error = (np.abs(each).max(axis=axes) for each in (first, first - second))
    allowed = SAME_CHANNEL * channels + SAME_VALUE * float(channels.max(initial=0.0))
    return bool((error <= allowed).all())
