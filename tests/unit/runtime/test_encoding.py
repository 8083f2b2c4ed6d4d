from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn_runtime.encoding import (
    Encoding,
    Range,
    encode,
    quantise_bias,
    quantise_weight,
    weight_scales,
)

finite = st.floats(-1e4, 1e4, width=32)


@given(finite, finite)
def test_zero_is_an_integer_and_every_real_of_the_range_is_half_a_step_away(
    one: float, other: float
) -> None:
    found = encode(Range(min(one, other), max(one, other)))
    assert 0 <= found.zero_point <= 255
    assert found.dequantise(found.quantise(np.zeros(1, np.float32)))[0] == 0
    values = np.linspace(min(one, 0, other), max(one, 0, other), 50, dtype=np.float32)
    error = np.abs(found.dequantise(found.quantise(values)) - values)
    # One half for rounding, one half because the range moved to make zero an integer.
    assert error.max() <= found.scale * 1.001


def test_a_range_of_nothing_does_not_divide_by_zero() -> None:
    found = encode(Range(0.0, 0.0))
    assert found.scale > 0
    assert found.quantise(np.zeros(3, np.float32)).tolist() == [found.zero_point] * 3


def test_zeros_alone_have_a_scale_like_their_neighbours() -> None:
    """A layer that answers zero everywhere: kernels refuse ratios of scales of 256 and more."""
    assert encode(Range(0.0, 0.0)) == Encoding(float(np.float32(1 / 255)), 0)


@pytest.mark.parametrize(
    ("limit", "zero_point"),
    [((0.0, 6.0), 0), ((0.0, 0.3), 0), ((-1.0, 0.0), 255), ((-0.2, 0.25), 0), ((0.0, 0.0), 0)],
)
def test_zeros_alone_behind_a_clip_keep_within_it(
    limit: tuple[float, float], zero_point: int
) -> None:
    found = encode(Range(0.0, 0.0), Range(*limit))
    assert found.zero_point == zero_point
    if limit != (0.0, 0.0):
        assert limit[0] - 1e-6 <= found.range.low <= found.range.high <= limit[1] + 1e-6


def test_a_clip_to_a_sliver_ends_the_encoding() -> None:
    found = encode(Range(0.0, 1e-9), Range(0.0, 1e-9))
    assert found.scale == pytest.approx(1e-9 / 255, rel=1e-6)


def test_a_range_above_zero_reaches_down_to_it() -> None:
    assert encode(Range(2.0, 5.1)) == Encoding(float(np.float32(5.1 / 255)), 0)


def test_an_empty_or_infinite_range_is_refused() -> None:
    for low, high in ((1.0, 0.0), (float("nan"), 1.0), (0.0, float("inf"))):
        with pytest.raises(ValueError, match="is empty or not finite"):
            Range(low, high)


@pytest.mark.parametrize("high", [6.0, 6**0.5, 1.0, 0.3])
def test_no_rounding_takes_an_encoding_beyond_a_clip(high: float) -> None:
    found = encode(Range(0.0, high), Range(0.0, high))
    assert np.float32(found.scale) * np.float32(255) <= high
    assert found.scale == pytest.approx(high / 255, rel=1e-6)


def test_quantising_is_what_onnx_does() -> None:
    encoding = Encoding(0.5, 10)
    values = np.array([0.25, 0.75, -0.25, -100, 500, 1.0], np.float32)
    # Halves go to the even integer; what is beyond saturates.
    assert encoding.quantise(values).tolist() == [10, 12, 10, 0, 255, 12]


def test_each_channel_of_a_weight_uses_all_integers() -> None:
    weight = np.array([[1.0, -2.0], [0.01, 0.004]], np.float32)
    found = quantise_weight(weight, weight_scales(weight, 0), 0)
    assert found.integers.tolist() == [[64, -127], [127, 51]]
    np.testing.assert_allclose(found.dequantise(), weight, atol=2 / 127 / 2)


def test_one_scale_for_all_leaves_small_channels_few_integers() -> None:
    weight = np.array([[1.0, -2.0], [0.01, 0.004]], np.float32)
    found = quantise_weight(weight, weight_scales(weight, None), 0)
    assert found.integers.tolist() == [[64, -127], [1, 0]]


def test_seven_bits_stay_within_63() -> None:
    weight = np.linspace(-1, 1, 9, dtype=np.float32).reshape(1, 9)
    found = quantise_weight(weight, weight_scales(weight, 0, 7), 0, 7)
    assert (found.integers.min(), found.integers.max()) == (-63, 63)


def test_a_channel_of_zeros_stays_zero() -> None:
    weight = np.zeros((2, 3), np.float32)
    found = quantise_weight(weight, weight_scales(weight, 0), 0)
    assert not found.integers.any()
    assert np.isfinite(found.scale).all()
    assert (found.scale > 0).all()


def test_a_bias_is_held_in_the_units_of_the_sum() -> None:
    sums, scale = quantise_bias(
        np.array([1.0, -0.5], np.float32), 0.1, np.array([0.2, 0.5], np.float32)
    )
    np.testing.assert_allclose(scale, [0.02, 0.05], rtol=1e-6)
    assert sums.tolist() == [50, -10]
    assert sums.dtype == np.int32
