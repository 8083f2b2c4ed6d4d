"""Node isolation: a graph cut so that every node computes from given values.

Errors accumulate through a network, and saturate or vanish on the way. Their origin shows only
when each node computes from the reference's values. All nodes are isolated in one graph and one
run: each value becomes an output where it is computed, and an input where it is read.
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
    """A graph cut into regions.

    Attributes:
        model: with an input ``NAME@fed`` for each value that a node reads.
        points: the cut points, by the value's name in the float graph.
        inputs: name of the model's input that takes the place of a value where it is read.
        outputs: name of the model's output that is the value where it is computed.
    """

    model: ir.Model
    points: Mapping[str, Point]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]

    def feeds(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """The model's inputs, from values by their names in the float graph."""
        return {self.inputs[name]: values[name] for name in self.inputs}


def cut(model: ir.Model, points: Mapping[str, Point], shapes: Mapping[str, Array]) -> Cut:
    """Cut a copy of `model` at `points`.

    A value in 8 bits is fed as reals: each reader's region begins with the QuantizeLinear, so that
    a runtime computes the region in integers as it does in the whole graph.

    Args:
        shapes: an array of each value; the input gets its shape, except for the batch.
    """
    copy = model.clone()
    graph = copy.graph
    values = {str(value.name): value for value in graph.inputs}
    values |= {str(value.name): value for node in graph for value in node.outputs}
    graph_outputs = list(graph.outputs)
    inputs: dict[str, str] = {}
    outputs: dict[str, str] = {}
    for name, point in points.items():
        computed, read = values[point.computed], values[point.read]
        if not computed.is_graph_input():
            if _feed(graph, name, computed, read, shapes[name]):
                inputs[name] = f"{name}{FED}"
        else:
            inputs[name] = str(computed.name)
        if not read.is_graph_input():
            outputs[name] = str(read.name)
            graph_outputs.append(read)
    graph.outputs.clear()
    graph.outputs.extend(dict.fromkeys(graph_outputs))
    return Cut(copy, dict(points), inputs, outputs)


def region(cut: Cut, name: str) -> ir.Model:
    """The region that computes one value from fed values, as a model of its own.

    That of a float graph's input, which is not computed, hands it on.
    """
    if name not in cut.outputs:
        return _handing_on(cut, cut.inputs[name])
    output = next(v for v in cut.model.graph.outputs if v.name == cut.outputs[name])
    sources = _sources(output)
    graph = ir.convenience.extract(cut.model.graph, sources, [cut.outputs[name]])
    return ir.Model(graph, ir_version=cut.model.ir_version)


def _handing_on(cut: Cut, name: str) -> ir.Model:
    source = next(value for value in cut.model.graph.inputs if value.name == name)
    fed = ir.Value(name=name, type=source.type, shape=source.shape)
    node = ir.node("Identity", [fed], name=f"{name}.handed_on")
    output = node.outputs[0]
    output.name, output.type, output.shape = str(node.name), source.type, source.shape
    imports = dict(cut.model.graph.opset_imports)
    graph = ir.Graph([fed], [output], nodes=[node], opset_imports=imports, name=name)
    return ir.Model(graph, ir_version=cut.model.ir_version)


def inputs_of(cut: Cut, name: str) -> list[str]:
    """Names of the cut values that a value is computed from."""
    output = next(v for v in cut.model.graph.outputs if v.name == cut.outputs[name])
    sources = set(_sources(output))
    return [value for value, fed in cut.inputs.items() if fed in sources]


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
    """Names of the graph inputs that a value depends on."""
    inputs: dict[str, None] = {}
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
                inputs[str(value.name)] = None
            continue
        pending += [each for each in node.inputs if each is not None]
    return list(inputs)


def without(points: Mapping[str, Point], names: Collection[str]) -> dict[str, Point]:
    """The points without those named; the regions around these join."""
    return {name: point for name, point in points.items() if name not in names}
