"""Bisection finds the first wrong value in a dozen comparisons."""

from __future__ import annotations

import numpy as np
import pytest
from parity.faults.networks import shipped
from parity.faults.planting import change

from edgecnn_exporters.diagnose import bisect, search
from edgecnn_exporters.diagnose.diagnose import diagnose
from edgecnn_exporters.diagnose.sources import OnnxCandidate

# The networks are built and quantised once, by one worker.
pytestmark = pytest.mark.xdist_group("networks for faults")

NAMES = [str(number) for number in range(1000)]


@pytest.mark.parametrize("at", [0, 1, 499, 998, 999])
def test_the_first_wrong_value_takes_a_dozen_comparisons(at: int) -> None:
    compared = []

    def is_beyond(name: str) -> bool:
        compared.append(name)
        return int(name) >= at

    assert bisect.first_beyond(NAMES, is_beyond) == at
    assert len(compared) <= 12


def test_there_is_no_wrong_value_where_the_last_is_right() -> None:
    assert bisect.first_beyond(NAMES, lambda name: False) is None
    assert bisect.first_beyond([], lambda name: True) is None


def test_an_accumulated_error_is_relative_and_nan_is_infinite() -> None:
    ones = np.ones((2, 8))
    assert bisect.accumulated_error(ones, ones * 1.5) == pytest.approx(0.5)
    assert bisect.accumulated_error(ones, ones * np.nan) == np.inf
    assert bisect.accumulated_error(ones, ones[:1]) == np.inf


def test_a_graph_too_large_for_memory_is_diagnosed_by_bisection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built = shipped("lenet5_relu", "mnist")
    bad = built.model.clone()
    change(bad, "features.3.bias", lambda bias: np.roll(bias, 1))
    monkeypatch.setattr(search, "MEMORY_LIMIT_BYTES", 0)
    diagnosis = diagnose(built.model, OnnxCandidate(bad, "fp32"), built.feeds)
    assert diagnosis is not None
    assert diagnosis.node == "features.3"
