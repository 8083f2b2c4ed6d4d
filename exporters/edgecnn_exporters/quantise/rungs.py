"""The rungs of the ladder: each improves a quantised network, or gives the reason why it cannot.

Nagel et al. 2021, "A White Paper on Neural Network Quantization", section 3.6, gives the order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import onnx_ir as ir

from edgecnn_exporters.quantise.calibrate.observers import OBSERVERS
from edgecnn_exporters.quantise.config import QuantRecipe
from edgecnn_exporters.quantise.graph.plan import make_plan
from edgecnn_exporters.quantise.state import Bench, LadderState
from edgecnn_exporters.quantise.steps.absorb import absorb_high_biases
from edgecnn_exporters.quantise.steps.corrected import with_corrected_biases
from edgecnn_exporters.quantise.steps.equalise import equalise
from edgecnn_exporters.quantise.steps.error_feedback import round_with_feedback, roundable
from edgecnn_exporters.quantise.steps.mixed import mix_precision
from edgecnn_exporters.quantise.steps.part_joins import part_joins
from edgecnn_exporters.quantise.steps.round_layer import can_round, one_thread
from edgecnn_exporters.quantise.steps.rounding import round_adaptively
from edgecnn_exporters.quantise.steps.second_moments import second_moments
from edgecnn_exporters.quantise.steps.sensitivity import measure_sensitivity

# Of all layers with weights, those that are rounded by gradient: seconds each.
WORST_LAYERS = 6
MIX = "mix precision"

RungAttempt = Callable[[LadderState, Bench], tuple[LadderState | None, str]]


def equalise_layers(state: LadderState, bench: Bench) -> tuple[LadderState | None, str]:
    """Cross-layer equalisation, and the ranges measured anew."""
    model = state.model.clone()
    peaks = {name: each.high for name, each in state.calibration.channels.items()}
    equalisation = equalise(model, peaks)
    if not equalisation.equalised:
        return None, "no two layers with a positively homogeneous activation between them"
    changed = {name for each in equalisation.equalised for name in each.values}
    after = _rebuild(model, state, bench, changed)
    return (
        after,
        f"{len(equalisation.equalised)} pairs of layers, {len(equalisation.refused)} left alone",
    )


def absorb_biases(state: LadderState, bench: Bench) -> tuple[LadderState | None, str]:
    """High-bias absorption, and the ranges measured anew."""
    model = state.model.clone()
    floors = {name: each.low for name, each in state.calibration.channels.items()}
    absorption = absorb_high_biases(model, floors)
    if not absorption.absorbed:
        return None, "no channel stays above zero before a Relu"
    changed = {name for each in absorption.absorbed for name in each.values}
    return _rebuild(model, state, bench, changed), f"{len(absorption.absorbed)} pairs of layers"


def _rebuild(
    model: ir.Model, state: LadderState, bench: Bench, changed: Collection[str]
) -> LadderState:
    plan = make_plan(model.graph, state.plan.kept, state.plan.coarse)
    calibration = bench.recalibrate(model, plan, state.calibration, changed)
    return bench.build(model, plan, calibration, state.observer)


def search_ranges(state: LadderState, bench: Bench) -> tuple[LadderState | None, str]:
    """Range search: the best of the other observers that gives up no sample.

    One image in fifty reaches further than the others, and few samples decide: what clips is judged
    on those that calibrate as well.
    """
    if bench.config.observer is not None:
        return None, f"{bench.config.observer} was asked for"
    states = []
    for number, observer in enumerate(OBSERVERS):
        if observer != state.observer:
            states.append(bench.build(state.model, state.plan, state.calibration, observer))
        bench.progress((number + 1) / len(OBSERVERS))
    before = bench.score_all(state.qdq).sqnr_db
    given_up = []
    for each in sorted(states, key=lambda each: -each.score.judged_db):
        if not each.score.judged_db > state.score.judged_db:
            break
        if bench.score_all(each.qdq).sqnr_db > before:
            return each, f"ranges by {each.observer}"
        given_up.append(each.observer)
    if given_up:
        return None, f"{', '.join(given_up)}: better for most samples, but not for all together"
    return None, f"no other observer is better than {state.observer}"


def feed_back_errors(state: LadderState, bench: Bench) -> tuple[LadderState | None, str]:
    """Rounding with error feedback of every Conv and Gemm, at the scales that they have."""
    if bench.inputs is not None:
        return None, "it needs samples"
    products = roundable(state.model, state.plan)
    with one_thread():
        moments = second_moments(state.model, products, bench.in_hand())
        numbers = round_with_feedback(products, state.numbers, moments, bench.config.weight_bits)
    return bench.renumber(state, numbers), f"{len(products)} layers"


def correct_means(state: LadderState, bench: Bench) -> tuple[LadderState | None, str]:
    """Bias correction: empirical, or from batch normalisation where there are no samples."""
    after = with_corrected_biases(state, bench)
    count = min(len(bench.samples), bench.most_in_hand)
    by = f"over {count} samples" if bench.inputs is None else "by batch normalisation"
    return after, f"{len(after.numbers.biases)} layers, {by}"


def round_worst(state: LadderState, bench: Bench) -> tuple[LadderState | None, str]:
    """Adaptive rounding of the layers whose output is furthest from the float network's."""
    if bench.inputs is not None:
        return None, "it needs samples"
    can = {str(node.name) for node in state.model.graph if can_round(node)}
    sensitivities = measure_sensitivity(state, bench.judges.compared, only_products=True)
    worst = sorted(sensitivities, key=lambda each: each.isolated_db)
    names = [each.node for each in worst if each.node in can][:WORST_LAYERS]
    numbers, rounded = round_adaptively(
        state.model,
        state.plan,
        state.numbers,
        names,
        bench.in_hand(),
        bench.config.weight_bits,
        bench.progress,
    )
    if not rounded:
        return None, f"none of {len(names)} layers comes nearer"
    after = with_corrected_biases(bench.renumber(state, numbers), bench)
    return after, f"{len(rounded)} of the {len(names)} worst layers"


RUNGS: Mapping[str, RungAttempt] = {
    "equalise": equalise_layers,
    "absorb high biases": absorb_biases,
    "search ranges": search_ranges,
    "part joins": part_joins,
    "feed back errors": feed_back_errors,
    "correct biases": correct_means,
    "round adaptively": round_worst,
    MIX: mix_precision,
}
RECIPES: Mapping[QuantRecipe, tuple[str, ...]] = {
    "fast": ("search ranges", MIX),
    "balanced": (
        "equalise",
        "absorb high biases",
        "search ranges",
        "part joins",
        "feed back errors",
        "correct biases",
        MIX,
    ),
    "best": (
        "equalise",
        "absorb high biases",
        "search ranges",
        "part joins",
        "feed back errors",
        "correct biases",
        "round adaptively",
        MIX,
    ),
}
