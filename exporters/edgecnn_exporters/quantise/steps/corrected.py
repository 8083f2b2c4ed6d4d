"""Bias correction of a state of the ladder: from samples, or from batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from edgecnn_exporters.quantise.calibrate.data_free import correct_data_free
from edgecnn_exporters.quantise.graph.qdq import Numbers
from edgecnn_exporters.quantise.in_parallel import in_parallel
from edgecnn_exporters.quantise.state import Bench, LadderState
from edgecnn_exporters.quantise.steps.bias_correction import correct_biases, float_means

# Alternatives that are corrected at a time, each with the activations of the samples in hand.
WALKS = 2


def with_corrected_biases(
    state: LadderState, bench: Bench, alternatives: Sequence[Numbers]
) -> list[LadderState]:
    """The same network with other numbers, and the biases of its products corrected, for each."""
    model, plan = state.model, state.plan
    if bench.inputs is not None:
        correct = partial(correct_data_free, model, plan, inputs=bench.inputs)
    else:
        samples = bench.in_hand()
        means = float_means(model, plan, samples, bench.memory.at_once)
        correct = partial(
            correct_biases, model, plan, means=means, samples=samples, progress=bench.progress
        )
    corrected = in_parallel(correct, alternatives, WALKS)
    return [
        bench.renumber(state, replace(numbers, biases=biases))
        for numbers, biases in zip(alternatives, corrected, strict=True)
    ]
