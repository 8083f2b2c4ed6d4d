"""Bias correction of a state of the ladder: from samples, or from batch normalisation."""

from __future__ import annotations

from dataclasses import replace

from edgecnn_exporters.quantise.calibrate.data_free import correct_data_free
from edgecnn_exporters.quantise.graph.qdq import Numbers
from edgecnn_exporters.quantise.state import Bench, LadderState
from edgecnn_exporters.quantise.steps.bias_correction import correct_biases, float_means


def with_corrected_biases(
    state: LadderState, bench: Bench, numbers: Numbers | None = None
) -> LadderState:
    """The same network, or that with other numbers, with the biases of its products corrected."""
    numbers = numbers or state.numbers
    if bench.inputs is not None:
        biases = correct_data_free(state.model, state.plan, numbers, bench.inputs)
    else:
        samples = bench.in_hand()
        means = float_means(state.model, state.plan, samples)
        biases = correct_biases(state.model, state.plan, numbers, means, samples, bench.progress)
    return bench.renumber(state, replace(numbers, biases=biases))
