"""Quantisation sensitivity of each layer: quantised alone, and with the accumulated error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgecnn_exporters.quantise.graph.plan import QuantisationPlan, make_plan
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.graph.qdq import Numbers, write_qdq
from edgecnn_exporters.quantise.graph.rules import Role
from edgecnn_exporters.quantise.state import LadderState
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.encoding import Encoding, QuantisedWeight
from edgecnn_runtime.parity.difference import difference
from edgecnn_runtime.progress import Progress, no_progress


@dataclass(frozen=True)
class Sensitivity:
    """One integer operator with weights, or that computes (Add, Mul, …), in the graph's order.

    Attributes:
        isolated_db: signal to noise of the network's output when this one alone is quantised.
        cumulative_db: signal to noise of this one's own output, all before it quantised as well.
    """

    node: str
    operator: str
    isolated_db: float
    cumulative_db: float


def measure_sensitivity(
    state: LadderState,
    samples: Sequence[Float32],
    progress: Progress = no_progress,
) -> list[Sensitivity]:
    """Both figures of every integer operator that computes, over a few samples."""
    model, plan, numbers = state.model, state.plan, state.numbers
    roles = (Role.PRODUCT, Role.OWN, Role.FIXED)
    nodes = [node for node in model.graph if plan.integer.get(str(node.name)) in roles]
    cumulative = _cumulative(model, plan, numbers, nodes, samples)
    reference = list(ValueProbe(model).stream(samples))
    sensitivities = []
    for number, node in enumerate(nodes):
        alone = _alone(model, node, plan, numbers)
        outputs = ValueProbe(alone).stream(samples)
        isolated = difference(
            (expected[name], answer[name])
            for expected, answer in zip(reference, outputs, strict=True)
            for name in expected
        ).sqnr_db
        name = str(node.name)
        sensitivities.append(Sensitivity(name, node.op_type, isolated, cumulative[name]))
        progress((number + 1) / len(nodes))
    return sensitivities


def _alone(model: ir.Model, node: ir.Node, plan: QuantisationPlan, numbers: Numbers) -> ir.Model:
    """The network with this operator in integers, and what clips its output; all else float."""
    name = str(node.name)
    clip = next(
        (use.node for use in node.outputs[0].uses() if str(use.node.name) in plan.integer), None
    )
    kept = {name}
    if clip is not None and plan.integer[str(clip.name)] is Role.CLAMP:
        kept.add(str(clip.name))
    others = [str(each.name) for each in model.graph if str(each.name) not in kept]
    own = make_plan(model.graph, others, plan.coarse)
    return write_qdq(model, own, restrict(numbers, own))


def restrict(numbers: Numbers, plan: QuantisationPlan) -> Numbers:
    """The numbers of what a plan, which quantises less, still wants in integers."""
    activations: Mapping[str, Encoding] = {
        name: numbers.activations[name] for group in plan.groups for name in group.values
    }
    weights: Mapping[str, QuantisedWeight] = {
        name: weight for name, weight in numbers.weights.items() if name in plan.integer
    }
    biases = {name: bias for name, bias in numbers.biases.items() if name in plan.integer}
    return Numbers(activations, weights, biases)


def _cumulative(
    model: ir.Model,
    plan: QuantisationPlan,
    numbers: Numbers,
    nodes: Sequence[ir.Node],
    samples: Sequence[Float32],
) -> dict[str, float]:
    qdq = write_qdq(model, plan, numbers)
    renamed = {str(node.name): str(node.outputs[0].name) for node in qdq.graph}
    names = {str(node.name): str(node.outputs[0].name) for node in model.graph}
    expected, actual = (
        ValueProbe(model, list(names.values())),
        ValueProbe(qdq, [renamed[str(n.name)] for n in nodes]),
    )
    pairs: dict[str, list[tuple[Float32, Float32]]] = {str(node.name): [] for node in nodes}
    for wanted, got in zip(expected.stream(samples), actual.stream(samples), strict=True):
        for name, kept in pairs.items():
            kept.append((wanted[names[name]], got[renamed[name]]))
    return {name: difference(kept).sqnr_db for name, kept in pairs.items()}
