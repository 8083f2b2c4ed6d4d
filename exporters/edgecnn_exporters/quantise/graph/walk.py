"""Layer-by-layer run of a QDQ graph on a few samples, with their 8-bit values in memory.

What a layer does to inputs that are already quantised decides how it is to be corrected. Running
the whole prefix anew for every layer would cost the square of the depth; here every value is
computed once and kept in 8 bits until its last reader has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import onnx_ir as ir

from edgecnn_exporters.quantise.graph.parts import Parts
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_runtime.arrays import Array, Float32


@dataclass(frozen=True)
class WalkStep:
    """One step of the walk: from values in memory to the next one.

    Attributes:
        target: name of the value that is computed: 8-bit, or an output of the graph.
        sources: names of those that it is computed from.
        nodes: names of the nodes between, all of them.
        products: of these, the float value that each integer product puts out, by its name.
    """

    target: str
    sources: tuple[str, ...]
    nodes: tuple[str, ...]
    products: Mapping[str, str]


def steps_of(graph: ir.Graph, products: Sequence[str]) -> list[WalkStep]:
    """The steps through a QDQ graph, in its order.

    Args:
        products: names of the nodes whose outputs the caller looks at.
    """
    quantised = [
        node.outputs[0] for node in graph if node.op_type == "QuantizeLinear" and node.domain == ""
    ]
    stops = {*graph.inputs, *quantised}
    wanted = set(products)
    targets = list(dict.fromkeys([*quantised, *graph.outputs]))
    steps = [_step(target, stops - {target}, wanted) for target in targets]
    # An output that follows from constants alone has nothing to be computed from.
    return [step for step in steps if step.sources]


def _step(target: ir.Value, stops: set[ir.Value], wanted: set[str]) -> WalkStep:
    sources: dict[str, None] = {}
    nodes: dict[str, None] = {}
    products: dict[str, str] = {}
    pending = [target]
    while pending:
        value = pending.pop()
        if value in stops:
            sources[str(value.name)] = None
            continue
        node = value.producer()
        if node is None or str(node.name) in nodes:
            continue
        nodes[str(node.name)] = None
        if str(node.name) in wanted:
            products[str(node.name)] = str(node.outputs[0].name)
        pending += [each for each in node.inputs if each is not None]
    return WalkStep(str(target.name), tuple(sources), tuple(nodes), products)


@dataclass
class Walk:
    """Layer-by-layer run: the values in memory, each a list with one array a sample."""

    model: ir.Model
    steps: Sequence[WalkStep]
    samples: Sequence[Float32] = ()
    hand: dict[str, list[Array]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._needed = Counter(name for step in self.steps for name in step.sources)
        self._parts = Parts(self.model)

    def begin(self, samples: Sequence[Float32]) -> Iterator[WalkStep]:
        """Iterate over the steps. The sources of a step are in memory when it is yielded.

        The caller calls `advance` for each, once the step's numbers are final.
        """
        self.samples = samples
        self.hand = {str(self.model.graph.inputs[0].name): list(samples)}
        yield from self.steps

    def look(self, step: WalkStep, value: str) -> Iterator[Float32]:
        """A float value within the step, sample by sample, computed from the values in memory."""
        probe = ValueProbe(self._parts.cut(step.sources, value))
        for arrays in zip(*(self.hand[name] for name in step.sources), strict=True):
            yield probe.run_all(dict(zip(step.sources, arrays, strict=True)))[value]

    def advance(self, step: WalkStep) -> None:
        """Compute the step's target, and free the values that no later step reads."""
        values = list(self.look(step, step.target))
        for name in step.sources:
            self._needed[name] -= 1
            if not self._needed[name]:
                del self.hand[name]
        if self._needed[step.target]:
            self.hand[step.target] = values
