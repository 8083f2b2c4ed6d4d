"""Quantisation plan of a graph: its integer nodes, and the values that share one encoding."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import onnx_ir as ir

from edgecnn_exporters.passes.graph import sole_reader
from edgecnn_exporters.quantise.graph.disjoint import DisjointNames
from edgecnn_exporters.quantise.graph.eligible import bounds, refusal
from edgecnn_exporters.quantise.graph.rules import RULES, Role
from edgecnn_runtime.encoding import Encoding, Range

# What may follow the last sum without another sum: it is computed in float from the float sum.
TAIL = frozenset(
    {"Flatten", "Identity", "LogSoftmax", "Reshape", "Sigmoid", "Softmax", "Squeeze", "Unsqueeze"}
)
KEPT = "kept in float for accuracy"


@dataclass(frozen=True)
class EncodingGroup:
    """Values that share one encoding.

    Attributes:
        values: names, in the graph's order.
        sources: those of them that are computed and not only moved; they decide the range.
        fixed: the encoding that the function behind all sources prescribes; None if measured.
    """

    values: tuple[str, ...]
    sources: tuple[str, ...]
    fixed: Encoding | None


@dataclass(frozen=True)
class QuantisationPlan:
    """Quantisation plan of one graph, by names of nodes and values.

    Attributes:
        integer: nodes computed in integers, in the graph's order, with their roles.
        groups: every value that is held in 8 bits is in one of them.
        limits: what a fused Relu or Clip lets through, by its output.
        left: nodes that stay float, with the reason.
        tail: those of `left` that are float because nothing is to be gained after the last sum.
        kept: those of `left` that were kept in float although they need not be.
        coarse: those of `left` that no 8-bit encoding serves, with the reason.
        results: the float values that the last integer sums make.
    """

    integer: Mapping[str, Role]
    groups: tuple[EncodingGroup, ...]
    limits: Mapping[str, Range]
    left: Mapping[str, str]
    tail: frozenset[str]
    kept: tuple[str, ...]
    results: tuple[str, ...] = ()
    coarse: Mapping[str, str] = field(default_factory=dict)

    @property
    def group_of(self) -> dict[str, EncodingGroup]:
        """The group of each 8-bit value."""
        return {name: group for group in self.groups for name in group.values}

    @property
    def sources(self) -> tuple[str, ...]:
        """The values whose range must be measured."""
        return tuple(name for group in self.groups if not group.fixed for name in group.sources)


def make_plan(
    graph: ir.Graph,
    keep_float: Collection[str] = (),
    coarse: Mapping[str, str] | None = None,
) -> QuantisationPlan:
    """Plan the quantisation of every node and value of a canonical float graph.

    The output of a Gemm after which no other sum comes stays float: an 8-bit logit ties with its
    neighbour, and the float result of an integer sum costs nothing.

    Args:
        keep_float: names of nodes that are to stay float.
        coarse: nodes that no 8-bit encoding serves, by name, with the reason.
    """
    nodes = list(graph)
    coarse = coarse or {}
    tail = _tail(nodes)
    around = _around_constants(graph)
    reasons = {_name(node): _reason(node, keep_float, coarse, tail) for node in nodes}
    left = {name: found for name in reasons if (found := reasons[name] or around.get(name))}
    _leave_stragglers(nodes, left)
    integer = {_name(n): RULES[n.op_type].role for n in nodes if _name(n) not in left}
    fused = {_name(n): n for n in nodes if _name(n) in integer and _is_fused(n, integer)}
    limits = {_output(n): bounds(n) for n in fused.values()}
    # What a fused clip reads is never held; its output is.
    float_values = {str(n.inputs[0].name) for n in fused.values() if n.inputs[0] is not None}
    ends = tail | {node for node in nodes if _name(node) in coarse}
    last = [n for n in nodes if n.op_type == "Gemm" and _ends_in(n, ends)]
    results = tuple(_output(n) for n in last if _name(n) in integer)
    float_values |= set(map(_output, last))
    groups = _groups([n for n in nodes if _name(n) in integer])
    shared = _encoded_groups(groups, nodes, integer, float_values)
    kept = tuple(name for name in left if name in keep_float)
    return QuantisationPlan(
        integer, shared, limits, left, frozenset(map(_name, tail)), kept, results, coarse
    )


def before_coarse(graph: ir.Graph, plan: QuantisationPlan) -> frozenset[str]:
    """The values that only nodes without a serving encoding read."""
    return frozenset(
        str(output.name)
        for node in graph
        for output in node.outputs
        if (readers := {_name(use.node) for use in output.uses()}) and readers <= set(plan.coarse)
    )


def _reason(
    node: ir.Node,
    keep_float: Collection[str],
    coarse: Mapping[str, str],
    tail: Collection[ir.Node],
) -> str | None:
    if _name(node) in coarse:
        return coarse[_name(node)]
    if _name(node) in keep_float:
        return KEPT
    if node in tail:
        return "follows the last sum"
    return refusal(node)


def _around_constants(graph: ir.Graph) -> dict[str, str]:
    """The nodes that nothing of the graph's inputs reaches, and those that read what they make.

    Of such a value no range is measured.
    """
    fed = set(graph.inputs)
    made: set[ir.Value] = set()
    left = {}
    for node in graph:
        inputs = {value for value in node.inputs if value is not None}
        if fed.isdisjoint(inputs):
            left[_name(node)] = "computes a constant"
            made.update(node.outputs)
            continue
        fed.update(node.outputs)
        if not made.isdisjoint(inputs):
            left[_name(node)] = "reads a constant that is computed"
    return left


def _tail(nodes: list[ir.Node]) -> set[ir.Node]:
    """The nodes after a Gemm from which only such nodes lead to the outputs."""
    tail: set[ir.Node] = set()
    for node in reversed(nodes):
        if node.op_type in TAIL and node.domain == "" and _ends_in(node, tail):
            tail.add(node)
    # A tail hangs on a Gemm; what hangs on anything else is as good in integers.
    for node in nodes:
        before = node.inputs[0].producer() if node.inputs and node.inputs[0] is not None else None
        if node in tail and (before is None or not (before in tail or before.op_type == "Gemm")):
            tail.remove(node)
    return tail


def _ends_in(node: ir.Node, tail: Collection[ir.Node]) -> bool:
    output = node.outputs[0]
    readers = [use.node for use in output.uses()]
    return bool(readers or output.is_graph_output()) and all(r in tail for r in readers)


def _leave_stragglers(nodes: list[ir.Node], left: dict[str, str]) -> None:
    """Leave nodes in float that only move or clip values between float nodes."""
    is_changed = True
    while is_changed:
        is_changed = False
        for node in nodes:
            if _name(node) in left or RULES[node.op_type].role not in (Role.SAME, Role.CLAMP):
                continue
            before = {value.producer() for value in node.inputs[:1] if value is not None}
            after = {use.node for output in node.outputs for use in output.uses()}
            if all(n is None or _name(n) in left for n in before | after):
                left[_name(node)] = "stands between float operators"
                is_changed = True


def _is_fused(node: ir.Node, integer: Mapping[str, Role]) -> bool:
    """Whether the node clips what the 8 bits of the node before it can saturate."""
    source = node.inputs[0]
    before = source.producer() if source is not None else None
    return (
        RULES[node.op_type].role is Role.CLAMP
        and before is not None
        and integer.get(_name(before)) in (Role.PRODUCT, Role.OWN)
        and sole_reader(before.outputs[0]) is node
    )


def _groups(nodes: Iterable[ir.Node]) -> list[list[str]]:
    groups = DisjointNames()
    for node in nodes:
        inputs = [str(value.name) for value in activations(node)]
        outputs = [str(value.name) for value in node.outputs]
        if RULES[node.op_type].role is Role.SAME:
            groups.add(*inputs, *outputs)
        else:
            for name in (*inputs, *outputs):
                groups.add(name)
    return groups.sets()


def _encoded_groups(
    groups: list[list[str]],
    nodes: list[ir.Node],
    integer: Mapping[str, Role],
    float_values: Collection[str],
) -> tuple[EncodingGroup, ...]:
    producers = {str(output.name): node for node in nodes for output in node.outputs}
    encoded = []
    for names in groups:
        values = tuple(name for name in names if name not in float_values)
        sources = []
        fixed: set[Encoding | None] = set()
        for name in values:
            node = producers.get(name)
            role = integer.get(_name(node)) if node is not None else None
            if role is not Role.SAME:
                sources.append(name)
                is_fixed = node is not None and role is Role.FIXED
                fixed.add(RULES[node.op_type].encoding if node is not None and is_fixed else None)
        if values:
            encoding = fixed.pop() if len(fixed) == 1 else None
            encoded.append(EncodingGroup(values, tuple(sources), encoding))
    return tuple(encoded)


def activations(node: ir.Node) -> list[ir.Value]:
    """The inputs of an integer node that hold activations, constants left out."""
    rule = RULES[node.op_type]
    return [
        value
        for value in node.inputs[: rule.activations]
        if value is not None and value.const_value is None
    ]


def _name(node: ir.Node) -> str:
    return str(node.name)


def _output(node: ir.Node) -> str:
    return str(node.outputs[0].name)
