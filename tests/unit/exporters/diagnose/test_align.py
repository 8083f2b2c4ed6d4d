"""Alignment of two graphs: cut points by the float graph's names, and their encodings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from unit.exporters.diagnose.support import QDQ, chain, parse

from edgecnn_exporters.diagnose.align import Encoding8, align, points_of

HALVES = Encoding8(0.5, 10, 0.5, 10, 0, 255)


def test_a_value_that_a_runtime_fuses_is_no_cut_point() -> None:
    assert list(points_of(chain())) == ["input", "relu", "pool", "flat", "logits"]


def test_a_value_in_8_bits_is_read_after_its_dequantize_linear() -> None:
    points = points_of(parse(QDQ))
    assert list(points) == ["input", "relu", "output"]
    assert points["relu"].computed == "relu"
    assert points["relu"].read == "relu_d"
    assert points["relu"].node == "relu"
    assert points["relu"].encoding == Encoding8(0.25, 0, 0.25, 0, 0, 255)
    assert points["output"].encoding is None


def test_only_values_of_both_are_aligned() -> None:
    assert list(align(chain(), parse(QDQ))) == ["input", "relu"]


def test_fake_quantising_rounds_and_saturates() -> None:
    dequantised = HALVES.fake_quantise(np.array([-100.0, 0.2, 0.3, 200.0], np.float32))
    np.testing.assert_array_equal(dequantised, [-5.0, 0.0, 0.5, 122.5])


@pytest.mark.parametrize(
    ("other", "distance"),
    [
        (HALVES, 0.0),
        (replace(HALVES, scale=1.0, back_scale=1.0), 2.0),
        (replace(HALVES, scale=0.25, back_scale=0.25), 2.0),
        (replace(HALVES, zero_point=11), 2.0),
        # The same integers, counted from -128.
        (replace(HALVES, zero_point=-118, back_zero_point=-118, low=-128, high=127), 0.0),
    ],
)
def test_distance_between_encodings(other: Encoding8, distance: float) -> None:
    assert HALVES.distance(other) == distance


def test_a_dequantize_linear_with_another_zero_point_is_inconsistent() -> None:
    assert HALVES.inconsistency == 0
    assert replace(HALVES, back_zero_point=11).inconsistency == 2
