"""Forward pass of a training graph: its nodes, and what its backward pass reads of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

import onnx_ir as ir

from edgecnn_exporters.passes.shapes import InferShapes
from edgecnn_runtime.training import LABELS, NEXT, RANGE

# Values of at most this share of all that the backward pass reads are kept in any case.
SMALL_SHARE = 1e-3


@dataclass(frozen=True)
class ForwardValues:
    """The forward pass of a training graph, and what its backward pass reads of it.

    Attributes:
        nodes: the forward pass, in order.
        after: the nodes that depend on labels: loss, backward pass and optimiser, in order.
        written: nodes of the backward pass that depend on activations alone, as masks.
        active: values that depend on what is learnt, of `nodes` and `written`.
        needed: of the activations, those that the backward pass reads.
        sizes: bytes of each value at the batch; those of unknown shape are left out.
        floats: values of float32.
        ranges: outputs of the graph that the forward pass alone gives.
    """

    nodes: tuple[ir.Node, ...]
    after: tuple[ir.Node, ...]
    written: tuple[ir.Node, ...]
    active: frozenset[ir.Value]
    needed: tuple[ir.Value, ...]
    sizes: dict[ir.Value, int]
    floats: frozenset[ir.Value]
    ranges: list[ir.Value]

    def size(self, value: ir.Value) -> int:
        return self.sizes.get(value, 0)

    @property
    def total(self) -> int:
        """Bytes of all that the backward pass reads."""
        return sum(map(self.size, self.needed))

    def is_small(self, value: ir.Value) -> bool:
        """Whether a value is kept whatever is cut: it takes little, or its shape is unknown."""
        few_axes = value.shape is None or len(value.shape) < 2
        is_given = value.is_initializer() or (value.producer() is None and value not in self.sizes)
        return few_axes or is_given or self.size(value) <= SMALL_SHARE * self.total

    def is_float(self, value: ir.Value) -> bool:
        return value in self.floats

    def segments(self, cuts: Sequence[int]) -> dict[ir.Value, int]:
        """The segment of each value that depends on an activation, written ones included."""
        bounds = (0, *cuts)
        found: dict[ir.Value, int] = {}
        number = 0
        for place, node in enumerate(self.nodes):
            while number + 1 < len(bounds) and place >= bounds[number + 1]:
                number += 1
            found |= {v: number for v in node.outputs if v in self.active and not self.is_small(v)}
        kept = self.kept(cuts)
        for node in self.written:
            own = [found[v] for v in node.inputs if v in found and v not in kept]
            if own:
                found |= dict.fromkeys(node.outputs, max(own))
        return found

    def kept(self, cuts: Sequence[int]) -> set[ir.Value]:
        """The activations that are kept: those of the last segment and those that cross a cut."""
        bounds = (0, *cuts)
        kept = set()
        begun = 0
        segment: dict[ir.Node, int] = {}
        for place, node in enumerate(self.nodes):
            while begun + 1 < len(bounds) and place >= bounds[begun + 1]:
                begun += 1
            segment[node] = begun
        for node in self.nodes:
            for value in node.outputs:
                crosses = any(
                    use.node in segment and segment[use.node] != segment[node]
                    for use in value.uses()
                )
                is_last = segment[node] == len(bounds) - 1
                if is_last or crosses or value.is_graph_output() or self.is_small(value):
                    kept.add(value)
        return kept


def forward_values(model: ir.Model, batch: int) -> ForwardValues:
    """The forward pass of a training graph.

    Args:
        model: every value in it gets its shape.
        batch: images of a step.
    """
    InferShapes()(model)
    graph = model.graph
    after = descendants(graph, [v for v in graph.inputs if v.name == LABELS])
    nodes = list(graph)
    begin = next(place for place, node in enumerate(nodes) if node in after)
    changed = {str(v.name).removesuffix(NEXT) for v in graph.outputs}
    learnt = [v for v in graph.inputs if str(v.name) in changed]
    is_active = descendants(graph, learnt)
    written = tuple(node for node in nodes[begin:] if node not in after)
    first = tuple(nodes[:begin])
    values = [*graph.inputs, *(v for node in nodes for v in node.outputs)]
    sizes = {v: size for v in values if (size := _size(v, batch)) is not None}
    active = frozenset(v for node in nodes if node in is_active for v in node.outputs)
    reading = {*after, *written}
    needed = tuple(
        v
        for node in first
        for v in node.outputs
        if v in active and any(use.node in reading for use in v.uses())
    )
    floats = frozenset(v for v in values if v.dtype == ir.DataType.FLOAT)
    ranges = [v for v in graph.outputs if str(v.name).endswith(RANGE)]
    ordered = tuple(node for node in nodes if node in after)
    return ForwardValues(first, ordered, written, active, needed, sizes, floats, ranges)


def descendants(graph: ir.Graph, sources: Iterable[ir.Value]) -> set[ir.Node]:
    """All nodes that depend on some values."""
    reached: set[ir.Value] = set(sources)
    found = set()
    for node in graph:
        if any(value in reached for value in node.inputs):
            found.add(node)
            reached.update(node.outputs)
    return found


def _size(value: ir.Value, batch: int) -> int | None:
    if value.shape is None or value.dtype is None:
        return None
    extents = [extent if isinstance(extent, int) else batch for extent in value.shape]
    return int(prod(extents) * value.dtype.itemsize)
