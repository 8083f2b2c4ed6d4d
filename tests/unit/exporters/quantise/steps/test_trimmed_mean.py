"""Trimmed means and their standard error against figures made by hand."""

from __future__ import annotations

import numpy as np

from edgecnn_exporters.quantise.steps.trimmed_mean import squared_error, trimmed_mean


def rows(*values: float) -> np.ndarray:
    return np.array(values, np.float32)[:, None]


def test_the_middle_half_decides() -> None:
    assert trimmed_mean(rows(900, 1, 2, 3, 4, 5, 6, -700)) == 3.5


def test_of_few_samples_none_is_left_out() -> None:
    assert trimmed_mean(rows(0, 0, 9)) == 3


def test_each_channel_has_outliers_of_its_own() -> None:
    both = np.stack([np.arange(8.0), np.arange(8.0)[::-1]], axis=1).astype(np.float32)
    both[0, 0], both[3, 1] = -1e6, 1e6
    np.testing.assert_array_equal(trimmed_mean(both), [3.5, 4])


def test_the_error_is_that_of_the_winsorised_values() -> None:
    # 2, 2, 2, 3, 4, 5, 5, 5 of which the middle half is 2 … 5: variance 13 / 8.
    found = squared_error(rows(900, 1, 2, 3, 4, 5, 6, -700))
    np.testing.assert_allclose(found, np.var([2, 2, 2, 3, 4, 5, 5, 5]) / (0.5**2 * 7))


def test_samples_that_are_equal_leave_no_doubt() -> None:
    assert squared_error(rows(*[3.0] * 9)) == 0
