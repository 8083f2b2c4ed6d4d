"""Node isolation: a graph cut so that every node computes from given values.

Errors add up through a network, and saturate or vanish on the way; where they come from shows only
when each node is given what the reference gives it. All nodes are isolated in one graph and one
run: each value becomes an output as it is made, and an input as it is read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgecnn_exporters.diagnose.align import Point
from edgecnn_runtime.arrays import Array

FED = "@fed"


@dataclass(frozen=True)
class Cut:
    """A graph in regions.

    Attributes:
        model: with an input ``NAME@fed`` for each value that something reads.
        points: where it was cut, by the value's name in the float graph.
        fed: the input of the model that stands for a value as it is read.
        made: the output of the model that is the value as it is made.
    """

    model: ir.Model
    points: Mapping[str, Point]
    fed: Mapping[str, str]
    made: Mapping[str, str]

    def feeds(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """The model's inputs, out of values by their names."""
        return {self.fed[name]: values[name] for name in self.fed}


def cut(model: ir.Model, points: Mapping[str, Point], shapes: Mapping[str, Array]) -> Cut:
    """Cut a copy of `model` at `points`.

    A value that is held in 8 bits is fed as it is before: each reader's region begins with the way
    to 8 bits, so that a runtime computes it in integers as it does in the whole graph.

    Args:
        shapes: an array of each value, whose shape (but for the batch) the input gets.
    """
    copy = model.clone()
    graph = copy.graph
    values = {str(value.name): value for value in graph.inputs}
    values |= {str(value.name): value for node in graph for value in node.outputs}
    outputs = list(graph.outputs)
    fed: dict[str, str] = {}
    made: dict[str, str] = {}
    for name, point in points.items():
        computed, read = values[point.made], values[point.read]
        if not computed.is_graph_input():
            if _feed(graph, name, computed, read, shapes[name]):
                fed[name] = f"{name}{FED}"
        else:
            fed[name] = str(computed.name)
        if not read.is_graph_input():
            made[name] = str(read.name)
            outputs.append(read)
    graph.outputs.clear()
    graph.outputs.extend(dict.fromkeys(outputs))
    return Cut(copy, dict(points), fed, made)


def region(cut: Cut, name: str) -> ir.Model:
    """The region that computes one value from fed values, as a model of its own."""
    output = next(v for v in cut.model.graph.outputs if v.name == cut.made[name])
    sources = _sources(output)
    graph = ir.convenience.extract(cut.model.graph, sources, [cut.made[name]])
    return ir.Model(graph, ir_version=cut.model.ir_version)


def inputs_of(cut: Cut, name: str) -> list[str]:
    """The names of the values that a value is computed from."""
    output = next(v for v in cut.model.graph.outputs if v.name == cut.made[name])
    sources = set(_sources(output))
    return [value for value, fed in cut.fed.items() if fed in sources]


def _feed(graph: ir.Graph, name: str, computed: ir.Value, read: ir.Value, sample: Array) -> bool:
    """Let the readers of a value read an input instead; False where nothing reads it."""
    shape = ir.Shape(["N", *sample.shape[1:]])
    fed = ir.Value(name=f"{name}{FED}", type=ir.TensorType(ir.DataType.FLOAT), shape=shape)
    own = [
        use for use in computed.uses() if use.node.op_type != "QuantizeLinear" or read is computed
    ]
    uses = list(read.uses()) if read is not computed else []
    if not own and not uses:
        return False
    for use in own:
        use.node.replace_input_with(use.idx, fed)
    if uses:
        back = read.producer()
        to = None if back is None or back.inputs[0] is None else back.inputs[0].producer()
        assert back is not None
        assert to is not None
        again = _clone(to, [fed, *to.inputs[1:]], f"{name}{FED}.quantised")
        back_again = _clone(back, [again.outputs[0], *back.inputs[1:]], f"{name}{FED}.dequantised")
        graph.insert_after(back, [again, back_again])
        for use in uses:
            use.node.replace_input_with(use.idx, back_again.outputs[0])
    graph.inputs.append(fed)
    return True


def _clone(node: ir.Node, inputs: Sequence[ir.Value | None], name: str) -> ir.Node:
    attributes = list(node.attributes.values())
    new = ir.Node(node.domain, node.op_type, inputs, attributes, name=name)
    old = node.outputs[0]
    new.outputs[0].name, new.outputs[0].type = name, old.type
    new.outputs[0].shape = old.shape
    return new


def _sources(output: ir.Value) -> list[str]:
    """The graph inputs that a value hangs on."""
    found: dict[str, None] = {}
    seen: set[ir.Value] = set()
    pending: list[ir.Value] = [output]
    while pending:
        value = pending.pop()
        if value in seen:
            continue
        seen.add(value)
        node = value.producer()
        if node is None:
            if value.is_graph_input():
                found[str(value.name)] = None
            continue
        pending += [each for each in node.inputs if each is not None]
    return list(found)


def without(points: Mapping[str, Point], names: Collection[str]) -> dict[str, Point]:
    """The points without some of them, whose regions join."""
    return {name: point for name, point in points.items() if name not in names}
