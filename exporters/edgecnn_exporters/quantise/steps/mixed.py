"""Mixed precision: the most sensitive operators stay float."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from edgecnn_exporters.errors import LimitMissed
from edgecnn_exporters.quantise.graph.plan import make_plan
from edgecnn_exporters.quantise.graph.qdq import write_qdq
from edgecnn_exporters.quantise.graph.rules import Role
from edgecnn_exporters.quantise.state import Bench, LadderState
from edgecnn_exporters.quantise.steps.corrected import with_corrected_biases
from edgecnn_exporters.quantise.steps.sensitivity import Sensitivity, measure_sensitivity, restrict
from edgecnn_runtime.arrays import Float32

# Of all operators that compute: with more of them in float, int8 has lost its point.
LARGEST_SHARE = 0.25
# Operators that a note or an error lists.
LISTED = 3


def mix_precision(state: LadderState, bench: Bench) -> tuple[LadderState | None, str]:
    """One, two, four … of the most sensitive operators in float, until the limit is met.

    Nothing is done where no limit was stated, or where it is met already.
    """
    limit = bench.config.min_agreement
    if limit is None:
        return None, "no limit was stated"
    agreement = bench.judges.agreement(state.qdq)
    if agreement.at_least >= limit:
        return None, f"top-1 is equal for {agreement}, which is enough"
    best, named = None, ""
    for mixture, note in mixtures(state, bench):
        if best is None or mixture.score.judged_db > best.score.judged_db:
            best, named = mixture, note
        if bench.judges.agreement(mixture.qdq).at_least >= limit:
            break
    return best, named


def mixtures(state: LadderState, bench: Bench) -> Iterator[tuple[LadderState, str]]:
    """One, two, four … of the most sensitive operators in float, each with a note in words."""
    ranked = rank(state, bench.judges.compared)
    count, most = 1, max(1, int(LARGEST_SHARE * len(ranked)))
    while count <= min(most, len(ranked)):
        kept = [each.node for each in ranked[:count]]
        more = f" and {count - LISTED} more" if count > LISTED else ""
        mixture = keep_float(state, bench, kept)
        bench.progress(count / most)
        yield mixture, f"{count} of {len(ranked)} in float: {', '.join(kept[:LISTED])}{more}"
        count *= 2


def rank(state: LadderState, samples: Sequence[Float32]) -> list[Sensitivity]:
    """The operators by sensitivity, the most sensitive first."""
    rows = measure_sensitivity(state, samples)
    return sorted(rows, key=lambda row: row.isolated_db)


def most_sensitive(state: LadderState, samples: Sequence[Float32]) -> str:
    """The most sensitive operators, in words."""
    return ", ".join(
        f"{row.node} ({row.operator}, {row.isolated_db:.0f} dB by itself)"
        for row in rank(state, samples)[:LISTED]
    )


def keep_float(state: LadderState, bench: Bench, names: Sequence[str]) -> LadderState:
    """The same network with some operators, and what clips their outputs, in float.

    Corrected biases are those of what went before them: they are corrected once more.
    """
    nodes = {str(node.name): node for node in state.model.graph}
    clips = [
        str(use.node.name)
        for name in names
        for use in nodes[name].outputs[0].uses()
        if state.plan.integer.get(str(use.node.name)) is Role.CLAMP
    ]
    plan = make_plan(state.model.graph, [*state.plan.kept, *names, *clips], state.plan.coarse)
    numbers = restrict(state.numbers, plan)
    qdq = write_qdq(state.model, plan, numbers)
    mixed = replace(state, plan=plan, numbers=numbers, qdq=qdq, score=bench.score(qdq))
    if not state.numbers.biases:
        return mixed
    (corrected,) = with_corrected_biases(mixed, bench, [numbers])
    return corrected if corrected.score.judged_db > mixed.score.judged_db else mixed


def check_limit(state: LadderState, bench: Bench) -> None:
    """Check the agreement limit that was asked for.

    Raises:
        LimitMissed: it is missed; the message names the most sensitive operators.
    """
    limit = bench.config.min_agreement
    if limit is None:
        return
    agreement = bench.judges.agreement(state.qdq)
    if agreement.at_least >= limit:
        return
    raise LimitMissed(
        f"int8 gives the same class as float for {agreement}, {limit:.1%} was asked for; "
        f"most sensitive: {most_sensitive(state, bench.judges.compared)}. "
        "--recipe best tries more, and more --samples calibrate better"
    )
