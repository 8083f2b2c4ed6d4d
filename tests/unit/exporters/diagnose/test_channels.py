"""Orders of channels, single wrong channels, and scales in another order."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn_exporters.diagnose.causes.channels import find_order, find_single, scale_order
from edgecnn_exporters.diagnose.causes.shapes_of_error import of_both, of_weight

RANDOM = np.random.default_rng(4)
WEIGHT = RANDOM.normal(size=(8, 2, 3, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("order", "groups", "words"),
    [
        (np.roll(np.arange(8), 2), 4, "has its groups one off"),
        (np.roll(np.arange(8), 4), 4, "has its groups 2 off"),
        (np.array([4, 5, 0, 1, 2, 3, 6, 7]), 4, "has its groups in another order: 2,0,1,3"),
        (
            np.array([0, 2, 4, 6, 1, 3, 5, 7]),
            4,
            "output channels in another order: 0,2,4,6,1,3,5,7",
        ),
        (np.roll(np.arange(8), -1), 1, "has its output channels one off"),
        (np.arange(8)[::-1], 1, "has its output channels in reverse order"),
    ],
)
def test_an_order_of_channels_is_found_and_undone(
    order: np.ndarray, groups: int, words: str
) -> None:
    found = find_order(WEIGHT, WEIGHT[order], 0, groups)
    assert found is not None
    assert words in found.words
    np.testing.assert_array_equal(found.undo(WEIGHT[order]), WEIGHT)


def test_a_right_weight_and_another_one_have_no_order() -> None:
    assert find_order(WEIGHT, WEIGHT, 0) is None
    assert find_order(WEIGHT, RANDOM.normal(size=WEIGHT.shape), 0) is None


def test_channels_of_zeros_stay_where_they_are() -> None:
    weight = WEIGHT.copy()
    weight[[1, 5]] = 0
    found = find_order(weight, np.roll(weight, 1, 0), 0)
    assert found is None or len(set(found.order)) == 8
    assert find_order(weight, weight, 0) is None


@pytest.mark.parametrize(
    ("factor", "words"),
    [(0.0, "is zero in output channel 3"), (2.0, "is 2 times the original's in output channel 3")],
)
def test_a_single_wrong_channel_is_named_and_mended_alone(factor: float, words: str) -> None:
    other = WEIGHT.copy()
    other[3] *= factor
    found = find_single(WEIGHT, other, 0)
    assert found is not None
    assert found.words == words
    np.testing.assert_array_equal(found.undo(other, WEIGHT), WEIGHT)
    assert of_weight(WEIGHT, other).words == words


def test_many_wrong_channels_are_no_single_ones() -> None:
    assert find_single(WEIGHT, -WEIGHT, 0) is None
    assert find_single(WEIGHT, WEIGHT, 0) is None


def test_scales_in_another_order_are_found() -> None:
    scales = np.linspace(0.01, 0.05, 8)
    assert scale_order(scales, np.roll(scales, 1)) == (1, 2, 3, 4, 5, 6, 7, 0)
    order = np.array([3, 1, 0, 2, 7, 6, 5, 4])
    found = scale_order(scales, scales[order])
    assert found is not None
    np.testing.assert_allclose(scales[order][list(found)], scales)
    assert scale_order(scales, scales * 1.001) is None
    assert scale_order(scales, scales * 2) is None


def test_weight_and_bias_in_another_order_are_one_error() -> None:
    bias = np.arange(1, 9, dtype=np.float32)
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    words = of_both((WEIGHT, bias), (WEIGHT[order], bias[order]), 0).words
    assert words == "weight and bias: the output channels in another order: 0,2,4,6,1,3,5,7"


def test_factors_of_either_sign_are_no_epsilon() -> None:
    factors = np.linspace(-0.5, 0.9, 8).astype(np.float32)
    other = WEIGHT * factors[:, None, None, None]
    words = of_both((WEIGHT, np.ones(8)), (other, np.zeros(8)), 0).words
    assert "gamma and beta" in words
    assert "epsilon" not in words
