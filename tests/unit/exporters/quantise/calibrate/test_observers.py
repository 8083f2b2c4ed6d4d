from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgecnn_exporters.quantise.calibrate.observers import OBSERVERS
from edgecnn_exporters.quantise.calibrate.statistics import TensorStatistics
from edgecnn_runtime.encoding import Range, encode

RANDOM = np.random.default_rng(0)
NORMAL = RANDOM.standard_normal(64_000).astype(np.float32)


def observe(name: str, values: np.ndarray) -> Range:
    statistics = TensorStatistics()
    for sample in np.array_split(np.asarray(values, np.float32), max(1, len(values) // 16_000)):
        statistics.observe(sample)
    return OBSERVERS[name](statistics.histogram())


def error(values: np.ndarray, found: Range) -> float:
    """The mean squared error of really quantising."""
    encoding = encode(found)
    return float(np.square(encoding.dequantise(encoding.quantise(values)) - values).mean())


finite = st.floats(-1e3, 1e3, width=32)


@pytest.mark.parametrize("name", OBSERVERS)
@given(values=arrays.arrays(np.float32, st.integers(1, 60), elements=finite))
@settings(max_examples=40, deadline=None)
def test_a_range_holds_zero_and_nothing_that_was_not_there(name: str, values: np.ndarray) -> None:
    found = observe(name, values)
    assert min(0, values.min()) - 1e-3 <= found.low <= 0 <= found.high
    assert found.high <= max(0, values.max()) + 1e-3


@pytest.mark.parametrize("name", OBSERVERS)
@pytest.mark.parametrize("values", [[0.0], [3.0], [-3.0], [0.0, 5.0], [-1.0, 1.0]])
def test_one_or_two_values_are_held_nearly_as_they_are(name: str, values: list[float]) -> None:
    array = np.repeat(np.array(values, np.float32), 100)
    assert error(array, observe(name, array)) <= 0.003 * np.square(array).mean()


def test_min_max_are_the_extremes() -> None:
    assert observe("min-max", NORMAL) == Range(float(NORMAL.min()), float(NORMAL.max()))


def test_a_percentile_leaves_one_value_in_ten_thousand_outside() -> None:
    found = observe("percentile", NORMAL)
    outside = ((found.low > NORMAL) | (found.high < NORMAL)).mean()
    assert 0 < outside <= 1.5e-4


def test_after_relu_a_percentile_cuts_at_the_far_end_alone() -> None:
    values = np.maximum(NORMAL, 0)
    found = observe("percentile", values)
    assert found.low == 0
    assert found.high == pytest.approx(np.sort(values)[-7], abs=0.005), "6.4 of 64,000"


def test_below_zero_alone_a_percentile_cuts_at_the_far_end_alone() -> None:
    values = np.minimum(NORMAL, 0)
    found = observe("percentile", values)
    assert found.high == 0
    assert found.low == pytest.approx(np.sort(values)[6], abs=0.005)


@pytest.mark.parametrize("name", OBSERVERS)
def test_relu6_is_not_clipped_below_six(name: str) -> None:
    # A sixth of the values is six, on the edge between two bins.
    found = observe(name, np.clip(6 * NORMAL, 0, 6))
    assert found.low == 0
    assert found.high == pytest.approx(6, abs=6 / 255)


@pytest.mark.parametrize(
    "values",
    [
        NORMAL,
        np.maximum(NORMAL, 0),
        -(np.maximum(NORMAL, 0) ** 2),
        np.append(NORMAL, [40.0]).astype(np.float32),
        RANDOM.laplace(size=64_000).astype(np.float32),
    ],
    ids=["normal", "relu", "negative", "outlier", "laplace"],
)
def test_least_squares_are_as_good_as_trying_every_range(values: np.ndarray) -> None:
    shares = np.linspace(0.1, 1, 40)
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    tried = [error(values, Range(a * low, b * high)) for a in shares for b in shares]
    assert error(values, observe("mse", values)) <= 1.03 * min(tried)


def test_an_outlier_is_clipped_by_what_weighs_values() -> None:
    values = np.append(NORMAL, [200.0]).astype(np.float32)
    assert observe("min-max", values).high == 200
    assert observe("percentile", values).high < 20
    assert observe("entropy", values).high <= 60, "the least that is tried"
    # (200 - h)² / n + (h / 255)² / 12 is least at 184.9.
    assert observe("mse", values).high == pytest.approx(184.9, abs=1)


def test_entropy_clips_a_normal_distribution() -> None:
    found = observe("entropy", NORMAL)
    assert NORMAL.min() < found.low < -3
    assert 3 < found.high < NORMAL.max()


def test_zeros_do_not_weigh_in_least_squares() -> None:
    values = np.append(np.maximum(NORMAL, 0), [12.0]).astype(np.float32)
    sparse = np.append(values, np.zeros(10 * len(values), np.float32))
    statistics = TensorStatistics()
    for sample in np.array_split(sparse, 64):
        statistics.observe(sample)
    found = OBSERVERS["mse"](statistics.histogram())
    assert found.high == pytest.approx(observe("mse", values).high, rel=1e-3)


def test_entropy_is_not_min_max_under_another_name() -> None:
    values = RANDOM.laplace(size=64_000).astype(np.float32)
    found = observe("entropy", values)
    assert found.high < values.max()
    assert error(values, found) < 4 * error(values, observe("mse", values))


def test_the_sample_mean_lies_between_the_extremes_of_the_samples() -> None:
    statistics = TensorStatistics()
    for low, high in ((-1, 2), (-3, 4), (0, 60)):
        statistics.observe(np.array([low, 0.5, high], np.float32))
    assert OBSERVERS["sample-mean"](statistics.histogram()) == Range(-4 / 3, 22)
