"""The rungs of the ladder: each improves a quantised network, or gives the reason why it cannot.

Nagel et al. 2021, "A White Paper on Neural Network Quantization", section 3.6, gives the order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import onnx_ir as ir

from edgecnn_exporters.quantise.calibrate.observers import OBSERVERS
from edgecnn_exporters.quantise.config import QuantRecipe
from edgecnn_exporters.quantise.graph.plan import make_plan
from edgecnn_exporters.quantise.graph.qdq import Numbers
from edgecnn_exporters.quantise.state import Bench, LadderState
from edgecnn_exporters.quantise.steps.absorb import absorb_high_biases
from edgecnn_exporters.quantise.steps.corrected import with_corrected_biases
from edgecnn_exporters.quantise.steps.equalise import equalise
from edgecnn_exporters.quantise.steps.error_feedback import round_with_feedback, roundable
from edgecnn_exporters.quantise.steps.mixed import mix_precision
from edgecnn_exporters.quantise.steps.one_thread import one_thread
from edgecnn_exporters.quantise.steps.part_joins import part_joins
from edgecnn_exporters.quantise.steps.second_moments import Blocks, second_moments

MIX = "mix precision"
# What error feedback may lose on the samples that decide: on other images it gains, and few samples
# do not show it.
WORTH_FEEDBACK_DB = 0.1

RungAttempt = Callable[[LadderState, Bench], tuple[LadderState | None, str]]


def equalise_layers(state: LadderState, bench: Bench) -> tuple[LadderState | None, str]:
    """Cross-layer equalisation, and the ranges measured anew."""
    model = state.model.clone()
    peaks = {name: each.high for name, each in state.calibration.channels.items()}
    equalisation = equalise(model, peaks, bench.fixed)
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
    absorption = absorb_high_biases(model, floors, bench.fixed)
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
    best, given_up = _best_for_all(states, state, bench)
    if best is not None:
        return best, f"ranges by {best.observer}"
    if given_up:
        return None, f"{', '.join(given_up)}: better for most samples, but not for all together"
    return None, f"no other observer is better than {state.observer}"


def _best_for_all(
    states: Sequence[LadderState], state: LadderState, bench: Bench
) -> tuple[LadderState | None, list[str]]:
    """The best of the states that are better for most samples, and for more of them together.

    And the observers of those that are only the first.
    """
    better = [each for each in states if each.score.judged_db > state.score.judged_db]
    if not better:
        return None, []
    before = bench.sqnr_of_more(state.qdq)
    given_up: list[str] = []
    for each in sorted(better, key=lambda each: -each.score.judged_db):
        if bench.sqnr_of_more(each.qdq) >= before:
            return each, given_up
        given_up.append(each.observer)
    return None, given_up


def choose_together(state: LadderState, bench: Bench) -> tuple[LadderState | None, str]:
    """Equalisation and ranges anew, each pair judged with rounded weights and corrected biases.

    Which of them serves best by itself need not serve best after these.
    """
    if bench.inputs is not None:
        return None, "it needs samples"
    models = {"as it is": state}
    if bench.first is not None and set(state.plan.sources) <= bench.first.calibration.values.keys():
        first = replace(bench.first, plan=state.plan)
        equalised, _ = equalise_layers(first, bench)
        if equalised is not None:
            models = {"not equalised": first, "equalised": equalised}
    observers = [bench.config.observer] if bench.config.observer else list(OBSERVERS)
    states = {}
    for label, base in models.items():
        moments = _moments(base, bench)
        ways = [
            _fed_back(
                base, bench.number(base.model, base.plan, base.calibration, each), bench, moments
            )
            for each in observers
        ]
        for observer, each in zip(observers, with_corrected_biases(base, bench, ways), strict=True):
            states[label, observer] = replace(each, observer=observer)
        bench.progress(len(states) / (len(models) * len(observers)))
    best, _ = _best_for_all(list(states.values()), state, bench)
    if best is None:
        return None, f"none of {len(states)} pairs is better"
    (label, observer) = next(pair for pair, each in states.items() if each is best)
    return best, f"{label}, ranges by {observer}: best of {len(states)} pairs"


def round_and_correct(state: LadderState, bench: Bench) -> tuple[LadderState | None, str]:
    """Weights rounded with error feedback, and biases corrected behind them; or biases alone.

    The two are judged together: rounding moves what the biases then make up for.
    """
    if bench.inputs is not None:
        (corrected,) = with_corrected_biases(state, bench, [state.numbers])
        return (
            corrected,
            f"biases of {len(corrected.numbers.biases)} layers, by batch normalisation",
        )
    moments = _moments(state, bench)
    ways = [state.numbers, _fed_back(state, state.numbers, bench, moments)]
    corrected, rounded = with_corrected_biases(state, bench, ways)
    layers = len(corrected.numbers.biases)
    over = f"over {min(len(bench.samples), bench.memory.in_hand)} samples"
    if rounded.score.judged_db < corrected.score.judged_db - WORTH_FEEDBACK_DB:
        return corrected, f"biases of {layers} layers, {over}"
    return rounded, f"weights of {len(moments)} layers, biases of {layers}, {over}"


def _moments(state: LadderState, bench: Bench) -> dict[str, Blocks]:
    products = roundable(state.model, state.plan)
    with one_thread():
        return second_moments(state.model, products, bench.samples, bench.memory.at_once)


def _fed_back(
    state: LadderState, numbers: Numbers, bench: Bench, moments: Mapping[str, Blocks]
) -> Numbers:
    """The same numbers, with weights rounded with error feedback."""
    products = roundable(state.model, state.plan)
    with one_thread():
        return round_with_feedback(products, numbers, moments, bench.config.weight_bits)


RUNGS: Mapping[str, RungAttempt] = {
    "equalise": equalise_layers,
    "absorb high biases": absorb_biases,
    "search ranges": search_ranges,
    "part joins": part_joins,
    "round and correct": round_and_correct,
    "choose together": choose_together,
    MIX: mix_precision,
}
RECIPES: Mapping[QuantRecipe, tuple[str, ...]] = {
    "fast": ("search ranges", MIX),
    "balanced": (
        "equalise",
        "absorb high biases",
        "search ranges",
        "part joins",
        "round and correct",
        MIX,
    ),
    "best": (
        "equalise",
        "absorb high biases",
        "search ranges",
        "part joins",
        "round and correct",
        "choose together",
        MIX,
    ),
}
