from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn_exporters.quantise.calibrate.statistics import (
    BINS,
    COUNTED,
    Histogram,
    TensorStatistics,
)


def observed(*samples: np.ndarray) -> TensorStatistics:
    found = TensorStatistics()
    for sample in samples:
        found.observe(np.asarray(sample, np.float32))
    return found


def edges(found: Histogram) -> np.ndarray:
    return (np.arange(BINS + 1) - BINS // 2) * found.bin


def counts_of_numpy(found: Histogram, values: np.ndarray) -> np.ndarray:
    return np.histogram(values, edges(found))[0]


NORMAL = np.random.default_rng(0).standard_normal(5000).astype(np.float32)


def test_counts_are_those_of_numpy_on_the_same_edges() -> None:
    found = observed(NORMAL).histogram()
    expected, _ = np.histogram(NORMAL, edges(found))
    np.testing.assert_array_equal(found.counts, expected)


def test_a_wider_sample_loses_no_count() -> None:
    found = observed(NORMAL, 100 * NORMAL).histogram()
    expected, _ = np.histogram(np.concatenate([NORMAL, 100 * NORMAL]), edges(found))
    np.testing.assert_array_equal(found.counts, expected)
    assert found.bin == 512 / (BINS // 2), "the greatest is 100 x 4.x: the next power of two"


@pytest.mark.parametrize("samples", [(1, 3), (-1, 3), (3, 1), (0, 1, 2, 4, 8)])
def test_a_value_on_an_edge_stays_between_its_edges(samples: tuple[float, ...]) -> None:
    found = observed(*[np.array([value]) for value in samples]).histogram()
    np.testing.assert_array_equal(found.counts, counts_of_numpy(found, np.array(samples)))


@given(st.lists(st.integers(-(2**20), 2**20), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_samples_does_not_matter(values: list[int]) -> None:
    samples = [np.array([value]) for value in values]
    there, back = observed(*samples).histogram(), observed(*samples[::-1]).histogram()
    np.testing.assert_array_equal(there.counts, back.counts)
    np.testing.assert_array_equal(there.counts, counts_of_numpy_or_zeros(there, values))
    assert (there.bin, there.zeros, there.low, there.high) == (
        back.bin,
        back.zeros,
        min(values),
        max(values),
    )


def counts_of_numpy_or_zeros(found: Histogram, values: list[int]) -> np.ndarray:
    if found.bin:
        return counts_of_numpy(found, np.array(values))
    return np.where(np.arange(BINS) == BINS // 2, len(values), 0)


@pytest.mark.parametrize("magnitude", [1e-45, 1e-30, 1e30, 3.4e38])
def test_any_magnitude_is_counted(magnitude: float) -> None:
    found = observed(np.array([magnitude, -magnitude, 0])).histogram()
    assert (found.counts.sum(), found.zeros) == (3, 1)
    assert found.high == -found.low == np.float32(magnitude)


def test_least_and_greatest_are_of_all_values_not_of_the_counted() -> None:
    sample = np.zeros(10 * COUNTED, np.float32)
    sample[[3, -3]] = -7, 9
    found = observed(sample).histogram()
    assert (found.low, found.high) == (-7, 9)
    assert found.counts.sum() <= COUNTED


def test_every_channel_is_counted() -> None:
    sample = np.repeat(np.arange(1, 65), 1024).reshape(1, 64, 32, 32)
    found = observed(sample).histogram()
    places = BINS // 2 + (np.arange(1, 65) / found.bin).astype(int)
    assert (found.counts[np.minimum(places, BINS - 1)] > 0).all()


def test_every_column_is_counted() -> None:
    # One in sixteen is counted, and sixteen divides the width.
    sample = np.broadcast_to(np.arange(128), (128, 16, 128))
    found = observed(sample).histogram()
    places = BINS // 2 + (np.arange(128) / found.bin).astype(int)
    assert (found.counts[places] > 0).all()


def test_exact_zeros_are_told_apart() -> None:
    found = observed(np.array([0, 0, 1e-6, 1.0])).histogram()
    assert found.zeros == 2


def test_a_tensor_of_zeros_has_a_histogram() -> None:
    found = observed(np.zeros(10)).histogram()
    assert (found.low, found.high, found.counts.sum(), found.zeros) == (0, 0, 10, 10)


def test_zeros_before_the_first_value_stay_zeros() -> None:
    found = observed(np.zeros(10), np.array([4.0])).histogram()
    assert found.counts[BINS // 2] == 10
    assert found.zeros == 10


def test_memory_does_not_grow_with_the_samples() -> None:
    few, many = observed(NORMAL), observed(*[NORMAL] * 50)
    sizes = [sum(sys.getsizeof(value) for value in vars(each).values()) for each in (few, many)]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="NaN or infinite"):
        observed(np.array([1.0, bad]))


def test_without_samples_there_is_no_histogram() -> None:
    with pytest.raises(ValueError, match="nothing"):
        TensorStatistics().histogram()


def test_a_histogram_stays_as_it_was_taken() -> None:
    statistics = observed(NORMAL)
    found = statistics.histogram()
    statistics.observe(NORMAL)
    assert found.counts.sum() == NORMAL.size
