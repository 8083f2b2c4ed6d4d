"""Classification of errors in weights and biases."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgecnn_exporters.diagnose.causes.runtime import to_bfloat16
from edgecnn_exporters.diagnose.causes.shapes_of_error import of_bias, of_both, of_weight

WEIGHT = np.random.default_rng(0).normal(size=(6, 6, 3, 3)).astype(np.float32)
BIAS = np.arange(1, 9, dtype=np.float32) ** 2


def zero_last(array: np.ndarray, axis: int) -> np.ndarray:
    cleared = array.copy()
    cleared[(slice(None),) * axis + (-1,)] = 0
    return cleared


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda w: w.transpose(1, 0, 2, 3), "channels transposed"),
        (lambda w: w.transpose(0, 1, 3, 2), "height and width transposed"),
        (lambda w: w[:, :, ::-1, ::-1], "rotated by 180°"),
        (lambda w: w[:, ::-1], "input channels in reverse"),
        (lambda w: np.roll(w, 1, 0), "output channels one off"),
        (lambda w: zero_last(w, 1), "lacks its last input channel"),
        (lambda w: zero_last(w, 0), "lacks its last output channel"),
        (lambda w: w * 2, "2 times"),
        (lambda w: -w, "other sign"),
        (np.zeros_like, "all zeros"),
        (lambda w: w[:5], "shape"),
    ],
)
def test_a_weight_is_described(make: Callable[[np.ndarray], np.ndarray], words: str) -> None:
    assert words in of_weight(WEIGHT, make(WEIGHT)).words


def test_a_guess_that_explains_nothing_is_discarded() -> None:
    """A kernel of one pixel is its own transpose."""
    pointwise = WEIGHT[:, :, :1, :1]
    other = pointwise.copy()
    other[2] *= 1.05
    words = of_weight(pointwise, other).words
    assert "transposed" not in words
    assert "channel 2" in words


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (np.roll(BIAS, 1), "one channel off"),
        (np.roll(BIAS, -2), "2 channels off"),
        (BIAS * 0, "missing"),
        (-BIAS, "other sign"),
        (BIAS * 3, "3 times"),
    ],
)
def test_a_bias_is_described(other: np.ndarray, words: str) -> None:
    assert words in of_bias(BIAS, other).words


def test_a_shift_of_integers_is_recognised_under_their_scales() -> None:
    scale = np.array([1, 2, 4, 8, 1, 2, 4, 8], np.float32)
    other = np.roll(BIAS / scale, 1) * scale
    assert "one channel off" in of_bias(BIAS, other, scale).words
    assert "one channel off" not in of_bias(BIAS, other).words


def test_factors_all_above_or_below_1_come_from_another_epsilon() -> None:
    variance = np.linspace(0.01, 1, 6)
    factor = np.sqrt((variance + 1e-5) / (variance + 1e-3)).astype(np.float32)
    other = WEIGHT * factor[:, None, None, None]
    assert "larger epsilon" in of_both((WEIGHT, None), (other, None), 0).words
    assert "smaller epsilon" in of_both((other, None), (WEIGHT, None), 0).words


def test_bfloat16_keeps_eight_bits() -> None:
    values = np.array([1.0, 1 + 2**-8, 1 + 2**-7, 3.14159265, -65504], np.float32)
    np.testing.assert_array_equal(
        to_bfloat16(values), np.array([1.0, 1.0, 1.0078125, 3.140625, -65536], np.float32)
    )
