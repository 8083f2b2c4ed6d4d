"""Activations of a training graph computed again in the backward pass: sublinear checkpointing.

Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", section 4: the forward pass is
cut into segments, the values at the cuts are kept, and a segment is computed once more when its
backward pass begins. The last segment is not: its backward pass follows at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.gradient.forward_values import ForwardValues
from edgecnn_exporters.passes.graph import is_operator


def recompute(model: ir.Model, forward: ForwardValues, cuts: Sequence[int]) -> tuple[str, ...]:
    """Rewrite a training graph so that the backward pass computes its activations again.

    ONNX Runtime merges equal nodes, and runs those early whose inputs are there. What a segment
    reads thus goes through a Reshape to its own shape, plus an integer that is zero and is known
    when the backward pass has come to the segment: no number changes, and nothing is copied.

    Args:
        model: a training graph, which is changed.
        forward: its forward pass.
        cuts: numbers of nodes of the forward pass, rising; each begins a segment.

    Returns:
        Names of the values of the forward pass that are kept for the backward pass.
    """
    from onnx_ir.passes import common

    kept = forward.kept(cuts)
    segments = forward.segments(cuts)
    _put_ranges_first(model.graph, forward)
    copies = _Copies(model.graph, forward, kept, segments)
    for node in forward.after:
        copies.redirect(node)
    common.RemoveUnusedNodesPass()(model)
    return tuple(str(value.name) for value in forward.needed if value in kept)


def _put_ranges_first(graph: ir.Graph, forward: ForwardValues) -> None:
    """The nodes of ranges come before the backward pass, which waits for them."""
    wanted = set(forward.ranges)
    nodes: list[ir.Node] = []
    for node in reversed(forward.written):
        if wanted.intersection(node.outputs):
            wanted.update(value for value in node.inputs if value is not None)
            nodes.insert(0, node)
    graph.remove(nodes)
    graph.insert_before(forward.after[0], nodes)


class _Copies:
    """Copies of a forward pass's nodes in its backward pass, in the graph's order.

    Attributes:
        segments: number of the segment of each value that is computed again.
    """

    def __init__(
        self,
        graph: ir.Graph,
        forward: ForwardValues,
        kept: Collection[ir.Value],
        segments: dict[ir.Value, int],
    ) -> None:
        self.forward, self.kept, self.segments = forward, kept, segments
        self.emit = Emitter(graph)
        self._copies: dict[ir.Value, ir.Value] = {}
        self._barriers: dict[int, ir.Value] = {}
        self._delayed: dict[tuple[ir.Value, int], ir.Value] = {}
        self._places = {node: place for place, node in enumerate(forward.after)}
        self._reached = 0

    def redirect(self, node: ir.Node) -> None:
        """A node of the backward pass reads the copies of what is not kept."""
        for index, value in enumerate(list(node.inputs)):
            if value is not None and value in self.segments and value not in self.kept:
                node.replace_input_with(index, self._copy(value, node))

    def _copy(self, value: ir.Value, reader: ir.Node) -> ir.Value:
        if value in self._copies:
            return self._copies[value]
        segment, node = self.segments[value], value.producer()
        assert node is not None, "a graph's inputs are kept"
        inputs = [self._operand(each, segment, reader) for each in node.inputs]
        self.emit.within(f"{node.name}.again", before=reader)
        if is_operator(node, "BatchNormalization"):
            made = self._normalised(node, inputs)
        else:
            made = self.emit.copied(node, inputs)
        for old, new in zip(node.outputs, made, strict=False):
            new.type, new.shape = old.type, old.shape
            self._copies[old] = new
        return self._copies[value]

    def _normalised(self, node: ir.Node, inputs: Sequence[ir.Value | None]) -> tuple[ir.Value, ...]:
        """By the mean and variance that the forward pass has found of a batch, or by the fixed."""
        mean, variance = inputs[3:5] if len(node.outputs) == 1 else node.outputs[1:3]
        epsilon = node.attributes.get_float("epsilon", 1e-5)
        return (self.emit("BatchNormalization", *inputs[:3], mean, variance, epsilon=epsilon),)

    def _operand(self, value: ir.Value | None, segment: int, reader: ir.Node) -> ir.Value | None:
        if value is None or self.forward.is_small(value):
            return value
        if value in self.segments and value not in self.kept:
            return self._copy(value, reader)
        key = (value, segment)
        if key not in self._delayed:
            self._delayed[key] = self._delay(value, segment, reader)
        return self._delayed[key]

    def _delay(self, value: ir.Value, segment: int, reader: ir.Node) -> ir.Value:
        """The same value, known only when the backward pass has come to a segment."""
        if segment not in self._barriers:
            self._barriers[segment] = self._barrier(segment, reader)
        assert value.shape is not None, "of unknown shape nothing is computed again"
        self.emit.within(f"{value.name}.again", before=reader)
        # A 0 of Reshape's shape is the extent that the axis has.
        shape = self.emit("Expand", self._barriers[segment], [len(value.shape)])
        delayed = self.emit("Reshape", value, shape)
        delayed.type, delayed.shape = value.type, value.shape
        return delayed

    def _barrier(self, segment: int, reader: ir.Node) -> ir.Value:
        """Zero, int64 (1,), known when all gradients of later segments are.

        No number is greater than infinity, nor is NaN: the comparison is false whatever is read,
        which no optimiser of a graph knows.
        """
        place = self._places[reader]
        self.emit.within(f"learn.segment_{segment}", before=reader)
        ends = [
            self.emit("Gather", self.emit("Reshape", value, [-1]), [0])
            for value in (*self._crossing(place), *self._ends())
        ]
        self._reached = place
        numbers = ends[0] if len(ends) == 1 else self.emit("Concat", *ends, axis=0)
        beyond = self.emit("Greater", numbers, np.array(np.inf, np.float32))
        flags = self.emit("Cast", beyond, to=int(ir.DataType.INT64))
        return self.emit("ReduceMax", flags, [0], keepdims=1)

    def _crossing(self, place: int) -> Iterator[ir.Value]:
        """Gradients since the last segment that are there before a node, and read by later ones."""
        for node in self.forward.after[self._reached : place]:
            for value in node.outputs:
                later = (self._places.get(use.node, -1) >= place for use in value.uses())
                if self.forward.is_float(value) and any(later):
                    yield value

    def _ends(self) -> list[ir.Value]:
        """Outputs of the graph that the forward pass alone gives, before the first segment."""
        return self.forward.ranges if self._reached == 0 else []
