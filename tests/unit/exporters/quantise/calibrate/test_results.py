"""Ranges of the results of the last sums: all samples, and room beyond them."""

from __future__ import annotations

import numpy as np
import pytest
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.quantise.calibrate.results import encode_result
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_runtime.encoding import Range


def test_a_quarter_more_than_what_was_seen_is_held_at_each_end() -> None:
    held = encode_result(Range(-4.0, 8.0)).range
    assert held.low == pytest.approx(-5.0, abs=0.06)
    assert held.high == pytest.approx(10.0, abs=0.06)


def test_zero_is_held_where_all_results_are_positive() -> None:
    held = encode_result(Range(2.0, 8.0), Range(1.0, 4.0)).range
    assert (held.low, held.high) == (0.0, pytest.approx(10.0, rel=1e-6))


@pytest.mark.parametrize("tail", ["", " y = Softmax <axis = 1> (z)"])
def test_samples_that_judge_widen_the_range_too(tail: str) -> None:
    """The largest sample is fresh: it neither calibrates nor decides."""
    name = "z" if tail else "y"
    weight = np.ones((3, 16), np.float32)
    model = network(
        f"f = Flatten (x) [fc] {name} = Gemm <transB = 1> (f, w){tail}",
        {"w": weight},
        reads="float[N, 1, 4, 4] x",
        answers="float[N, K] y",
    )
    random = np.random.default_rng(0)
    samples = [random.random((1, 1, 4, 4)).astype(np.float32) for _ in range(80)]
    large = np.full((1, 1, 4, 4), 5, np.float32)
    encoding = quantise(model, samples, QuantConfig("fast"), fresh=[large]).state.numbers.results
    assert encoding[name].range.high == pytest.approx(1.25 * 80, rel=0.01)
