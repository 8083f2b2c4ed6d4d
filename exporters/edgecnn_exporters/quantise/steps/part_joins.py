"""Joins between layers whose small part one encoding would lose: in float, with what reads them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import onnx_ir as ir

from edgecnn_exporters.passes.graph import is_operator
from edgecnn_exporters.quantise.calibrate.collect import CalibrationStatistics
from edgecnn_exporters.quantise.graph.plan import EncodingGroup, make_plan
from edgecnn_exporters.quantise.graph.tail import Tail, tail_of
from edgecnn_exporters.quantise.graph.unlike import Loss, Part, find_loss
from edgecnn_exporters.quantise.state import Bench, LadderState
from edgecnn_runtime.encoding import LEVELS

# A part that keeps fewer steps, three bits, is lost; the layers behind adapt to more.
LOST_STEPS = 8
# Of all multiply-adds, those that may stay float for it, and what it must bring for them.
LARGEST_SHARE = 0.05
LEAST_GAIN_DB = 1.0


@dataclass(frozen=True)
class LostJoin:
    """A join that loses a part: the nodes that would stay float, and why."""

    nodes: frozenset[str]
    steps: float
    reason: str


def part_joins(state: LadderState, bench: Bench) -> tuple[LadderState | None, str]:
    """The joins that lose a part in float, where that brings a decibel for a little arithmetic."""
    tail = tail_of(state.model.graph)
    joins = sorted(find_lost(state, tail), key=lambda join: join.steps)
    if not joins:
        return None, "no join between layers loses a part"
    coarse: dict[str, str] = {}
    for join in joins:
        more = coarse | dict.fromkeys(join.nodes - coarse.keys(), join.reason)
        if tail.share(more) <= LARGEST_SHARE:
            coarse = more
    if not coarse:
        return None, f"what reads {len(joins)} unlike joins is too much to compute in float"
    plan = make_plan(state.model.graph, state.plan.kept, {**state.plan.coarse, **coarse})
    missing = [name for name in plan.sources if name not in state.calibration.values]
    calibration = state.calibration
    if missing:
        calibration = bench.recalibrate(state.model, plan, calibration, missing)
    after = bench.build(state.model, plan, calibration, state.observer)
    gain = after.score.judged_db - state.score.judged_db
    if not gain >= LEAST_GAIN_DB:
        return None, f"{len(joins)} unlike joins: float brings {gain:.1f} dB, not worth its time"
    share = tail.share(coarse)
    return after, f"{len(set(coarse.values()))} unlike joins, {share:.1%} of the multiply-adds"


def find_lost(state: LadderState, tail: Tail) -> Iterator[LostJoin]:
    """The joins that lose a part, of those that a layer follows."""
    values = {str(o.name): o for node in state.model.graph for o in node.outputs}
    integer = state.plan.integer
    for group in state.plan.groups:
        members = {values[name] for name in group.values if name in values}
        nodes = [value.producer() for value in members]
        joins = [node for node in nodes if node is not None and is_operator(node, "Concat")]
        loss = _loss(group, state.calibration)
        if not joins or loss is None or any(node in tail.nodes for node in joins):
            continue
        own = {str(n.name) for n in _behind(joins, members) if str(n.name) in integer}
        first = min(joins, key=lambda node: str(node.name))
        yield LostJoin(
            frozenset(own),
            loss.steps,
            f"{first.name} (Concat) joins {loss.beside} with {loss.lost}, of which one 8-bit "
            f"encoding would leave {loss.steps:.2g} steps",
        )


def _loss(group: EncodingGroup, calibration: CalibrationStatistics) -> Loss | None:
    if group.fixed is not None or len(group.sources) < 2:
        return None
    known = [(name, calibration.values[name]) for name in group.sources]
    parts = [Part(name, each.low, each.high) for name, each in known]
    low, high = min(0.0, *(p.low for p in parts)), max(0.0, *(p.high for p in parts))
    loss = find_loss(parts, (high - low) / LEVELS) if high > low else None
    return loss if loss is not None and loss.steps < LOST_STEPS else None


def _behind(joins: Collection[ir.Node], members: Collection[ir.Value]) -> set[ir.Node]:
    """The joins, what moves their values on, what reads them, and the clips of that."""
    found: set[ir.Node] = set()
    pending = list(joins)
    while pending:
        node = pending.pop()
        if node in found:
            continue
        found.add(node)
        for output in node.outputs:
            readers = [use.node for use in output.uses()]
            if output in members:
                pending += readers
            else:
                found |= {each for each in readers if is_operator(each, "Relu", "Clip")}
    return found
