from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn_exporters.quantise.statistics import BINS, COUNTED, Histogram, TensorStatistics


def observed(*samples: np.ndarray) -> TensorStatistics:
    found = TensorStatistics()
    for sample in samples:
        found.observe(np.asarray(sample, np.float32))
    return found


def edges(found: Histogram) -> np.ndarray:
    return (np.arange(BINS + 1) - BINS // 2) * found.bin


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


@given(st.floats(2**-20, 2**20), st.floats(2**-20, 2**20))
@settings(max_examples=30, deadline=None)
def test_merging_is_seeing_both(one: float, other: float) -> None:
    first, second = NORMAL * np.float32(one), NORMAL[::2] * np.float32(other)
    merged = observed(first)
    merged.merge(observed(second))
    expected, found = observed(first, second).histogram(), merged.histogram()
    np.testing.assert_array_equal(found.counts, expected.counts)
    assert (found.bin, found.low, found.high) == (expected.bin, expected.low, expected.high)


def test_merging_with_nothing_changes_nothing() -> None:
    found = observed(NORMAL)
    found.merge(TensorStatistics())
    np.testing.assert_array_equal(found.histogram().counts, observed(NORMAL).histogram().counts)
