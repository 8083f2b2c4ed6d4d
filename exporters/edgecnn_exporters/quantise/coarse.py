"""Nodes that stay float because no 8-bit encoding would hold what they compute.

One encoding serves all that a Concat joins, and all channels of a tensor. Boxes in pixels beside
scores from 0 to 1 take all of its steps. Sigmoid, Softmax and Tanh have encodings that runtimes
prescribe, too coarse for shares of a thousand classes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import onnx_ir as ir

from edgecnn_exporters.passes.graph import is_operator
from edgecnn_exporters.quantise.calibrate.spread import Spreads, measure_spreads
from edgecnn_exporters.quantise.graph.plan import EncodingGroup, QuantisationPlan, make_plan
from edgecnn_exporters.quantise.graph.tail import Tail, tail_of
from edgecnn_exporters.quantise.graph.unlike import (
    LAYER_GAP,
    LEAST_STEPS,
    TAIL_GAP,
    Loss,
    Part,
    cut_from,
    find_loss,
    kinds,
)
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.encoding import LEVELS

# What a prescribed encoding must leave of values: 9 steps of them in the root mean square.
LEAST_DB = 30.0
# Taking a join to float uncovers the encodings before it.
MOST_ROUNDS = 8
# What puts another axis in the place of the channels.
_TURNS = ("DepthToSpace", "Flatten", "Reshape", "SpaceToDepth", "Squeeze", "Transpose", "Unsqueeze")


def find_coarse(model: ir.Model, samples: Iterable[Float32]) -> dict[str, str]:
    """The nodes that no 8-bit encoding serves, by name, each with the reason.

    Behind the last layer all that is connected stays float, for float costs little there; so does
    a layer whose own channels are unlike. Joins further in front are left alone: the layers behind
    them weigh what they read.

    Args:
        model: canonical, in forms that can be quantised.
        samples: some that calibrate.
    """
    tail = tail_of(model.graph)
    values = {str(o.name): o for node in model.graph for o in node.outputs}
    values |= {str(value.name): value for value in model.graph.inputs}
    plan = make_plan(model.graph)
    prescribed = {n: group.fixed for group in plan.groups if group.fixed for n in group.sources}
    names = _names_to_measure(plan, tail, values)
    spreads = measure_spreads(model, samples, names, prescribed)
    coarse: dict[str, str] = {}
    for _ in range(MOST_ROUNDS):
        judge = _Judge(plan, tail, values, spreads)
        found: dict[str, str] = {}
        # A join explains more than what it joins.
        for group in sorted(plan.groups, key=lambda each: each.fixed is not None):
            found = judge.find(group) | found
        if not found:
            break
        coarse = found | coarse
        plan = make_plan(model.graph, coarse=coarse)
    return _with_costs(coarse, tail)


def _with_costs(coarse: Mapping[str, str], tail: Tail) -> dict[str, str]:
    """The reasons, each with the share of the network's arithmetic that stays float for it."""
    told = {}
    for reason in set(coarse.values()):
        share = tail.share(name for name, each in coarse.items() if each == reason)
        cost = f"{share:.1%} of" if share else "none of"
        told[reason] = f"{reason}; that leaves {cost} the network's multiply-adds in float"
    return {name: told[reason] for name, reason in coarse.items()}


def _names_to_measure(
    plan: QuantisationPlan, tail: Tail, values: Mapping[str, ir.Value]
) -> list[str]:
    """The sources of encodings that reach the tail, what is cut from them, what the tail reads."""
    names: dict[str, None] = {}
    for group in plan.groups:
        members = [values[name] for name in group.values]
        if any(_is_at_tail(value, tail) for value in members):
            cut = (str(each.name) for each in cut_from(members))
            names |= dict.fromkeys((*group.sources, *cut))
    held = plan.group_of
    for node in tail.nodes:
        read = (str(value.name) for value in node.inputs if value is not None)
        names |= dict.fromkeys(name for name in read if name in held)
    return [name for name in values if name in names]


def _is_at_tail(value: ir.Value, tail: Tail) -> bool:
    """Whether the value is made or read behind the last layer, or leaves the graph."""
    return (
        value.is_graph_output()
        or value.producer() in tail.nodes
        or any(use.node in tail.nodes for use in value.uses())
    )


@dataclass(frozen=True)
class _Judge:
    """Judge of the encodings of one plan."""

    plan: QuantisationPlan
    tail: Tail
    values: Mapping[str, ir.Value]
    spreads: Spreads

    def find(self, group: EncodingGroup) -> dict[str, str]:
        """The nodes that are to stay float for this encoding, with the reason."""
        members = [self.values[name] for name in group.values]
        if group.fixed is not None and (reason := self._refuse_prescribed(group)):
            own = {node for name in group.sources if (node := self.values[name].producer())}
            return self._name(own | self._connected(members), reason)
        if not any(_is_at_tail(value, self.tail) for value in members):
            return {}
        loss = self._loss(group)
        if loss is None:
            return {}
        nodes = self._still_integer(self._connected(members))
        return self._name(nodes or self._layers(members), self._words(group, loss))

    def _refuse_prescribed(self, group: EncodingGroup) -> str | None:
        """Why a prescribed encoding does not serve."""
        assert group.fixed is not None
        for name in group.sources:
            noise = self.spreads.noise[name]
            node = self.values[name].producer()
            assert node is not None
            # What weighs other values by its own must be right itself; a result must also vary.
            kept = noise.about_mean_db if node in self.tail.ending else noise.sqnr_db
            if kept < LEAST_DB:
                return (
                    f"the values of {node.name} ({node.op_type}) are too small for steps of "
                    f"1/{1 / group.fixed.scale:.0f}, which runtimes prescribe: {kept:.0f} dB are "
                    f"left of them, {LEAST_DB:.0f} are wanted"
                )
        return None

    def _loss(self, group: EncodingGroup) -> Loss | None:
        spreads = self.spreads.values
        if any(name not in spreads for name in group.sources):
            return None
        sources = [Part(name, spreads[name].low, spreads[name].high) for name in group.sources]
        low = min(0.0, *(part.low for part in sources), 0.0)
        high = max(0.0, *(part.high for part in sources), 0.0)
        step = group.fixed.scale if group.fixed is not None else (high - low) / LEVELS
        if not step > 0:
            return None
        cut = [str(value.name) for value in cut_from([self.values[n] for n in group.values])]
        lists = [
            sources if group.fixed is None else [],
            [Part(name, spreads[name].low, spreads[name].high) for name in cut if name in spreads],
            *(parts for name in group.sources for parts in self._kinds(name)),
        ]
        losses = (find_loss(parts, step) for parts in lists)
        return next((loss for loss in losses if loss is not None), None)

    def _kinds(self, name: str) -> list[list[Part]]:
        """Groups of like channels of one source, for each axis that may be that of channels."""
        value = self.values[name]
        gap = TAIL_GAP if value.producer() in self.tail.nodes else LAYER_GAP
        axes = self.spreads.values[name].axes
        is_turned = _is_turned(value, self.tail.nodes)
        return [
            kinds(name, axis, low, high, gap)
            for axis, (low, high) in axes.items()
            if axis == 1 or is_turned
        ]

    def _connected(self, members: Collection[ir.Value]) -> set[ir.Node]:
        """Nodes of the tail that make or read these values, and all that hang on them there.

        Of what also leads to another layer, only what comes after.
        """
        makers = {value.producer() for value in members}
        readers = {use.node for value in members for use in value.uses()}
        pending = [node for node in makers | readers if node is not None]
        found: set[ir.Node] = set()
        while pending:
            node = pending.pop()
            if node in found or node not in self.tail.nodes:
                continue
            found.add(node)
            pending += [use.node for output in node.outputs for use in output.uses()]
            before = (value.producer() for value in node.inputs if value is not None)
            pending += [each for each in before if each in self.tail.ending and each is not None]
        return found

    def _layers(self, members: Collection[ir.Value]) -> set[ir.Node]:
        """The layers that make these values, with their clips, where no layer reads them."""
        nodes: set[ir.Node] = set()
        for value in members:
            node = value.producer()
            if node is None or any(use.node not in self.tail.ending for use in value.uses()):
                continue
            nodes.add(node)
            before = node.inputs[0].producer() if node.inputs[0] is not None else None
            if str(value.name) in self.plan.limits and before is not None:
                nodes.add(before)
        return nodes

    def _still_integer(self, nodes: Collection[ir.Node]) -> set[ir.Node]:
        return {node for node in nodes if str(node.name) in self.plan.integer}

    def _name(self, nodes: Collection[ir.Node], reason: str) -> dict[str, str]:
        return {str(node.name): reason for node in self._still_integer(nodes)}

    def _words(self, group: EncodingGroup, loss: Loss) -> str:
        """The reason: the join, or else the maker, the two ranges and what would be left."""
        makers = [self.values[name].producer() for name in group.values]
        joins = [node for node in makers if node is not None and is_operator(node, "Concat")]
        node = joins[0] if joins else next((each for each in makers if each is not None), None)
        holder = f"{node.name} ({node.op_type})" if node is not None else group.values[0]
        return (
            f"{holder} holds {loss.beside} beside {loss.lost}: in one 8-bit encoding "
            f"{loss.steps:.2g} steps would be left of the latter, {LEAST_STEPS} are wanted"
        )


def _is_turned(value: ir.Value, tail: Collection[ir.Node]) -> bool:
    """Whether the channels of a value may lie on another axis than the second."""
    node = value.producer()
    while node is not None and node in tail:
        if is_operator(node, *_TURNS):
            return True
        before = [each for each in node.inputs if each is not None and each.producer() is not None]
        node = before[0].producer() if before else None
    return False
