"""Allowed error of a node: rounding is within it, a shift is not."""

from __future__ import annotations

import numpy as np
from unit.exporters.diagnose.support import chain, pictures

from edgecnn_exporters.diagnose.align import Encoding8, Point, points_of
from edgecnn_exporters.diagnose.allowance import (
    Allowance,
    allowances,
    clipped,
    float_errors,
    measure_error,
    round_soundly,
)
from edgecnn_exporters.diagnose.sources import reference_values
from edgecnn_exporters.diagnose.weights import reals

ALLOWED = Allowance(rms=0.1, shift=0.05, reason="by hand")


def test_noise_is_within_the_allowance_and_a_shift_of_all_values_is_not() -> None:
    expected = np.zeros((1, 1000), np.float32)
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, expected.shape)
    assert measure_error(expected, noise, ALLOWED).is_within
    assert not measure_error(expected, expected + 0.06, ALLOWED).is_within


def test_nan_and_another_shape_are_never_within() -> None:
    expected = np.zeros((1, 4), np.float32)
    assert measure_error(expected, np.full((1, 4), np.nan), ALLOWED).ratio == np.inf
    assert measure_error(expected, np.zeros((1, 5)), ALLOWED).ratio == np.inf


def test_longer_sums_are_allowed_more() -> None:
    model = chain()
    values = reference_values(model, {"input": pictures()}, set(points_of(model)))
    errors = float_errors(model, values)
    assert 0 < errors["pool"] < errors["relu"]


def test_float32_is_allowed_far_less_than_a_percent() -> None:
    model = chain()
    points = points_of(model)
    values = reference_values(model, {"input": pictures()}, set(points))
    allowed = allowances(model, "fp32", points, values, {})
    for name, value in values.items():
        assert allowed[name].rms < 1e-4 * np.abs(value).max()


def test_sound_rounding_is_within_half_a_step_of_each_channel() -> None:
    model = chain()
    rounded = round_soundly(model, "int8")
    assert rounded is not None
    before = reals(model.graph[0].inputs[1])
    after = reals(rounded.graph[0].inputs[1])
    assert before is not None
    assert after is not None
    step = np.abs(before).max(axis=(1, 2, 3), keepdims=True) / 127
    assert (np.abs(after - before) <= step * 0.5001).all()
    assert not np.array_equal(after, before)
    assert round_soundly(model, "fp32") is None


def test_what_a_sound_range_clips_is_allowed_and_what_a_narrow_one_does_is_not() -> None:
    value = np.linspace(-1, 1, 1000, dtype=np.float32)
    value[:10] = -1.2

    def clipped_within(end: float) -> float:
        step = 2 * end / 255
        encoding = Encoding8(step, 0, step, 0, -127, 128)
        return clipped(Point("y", "y", "y", "n", "Relu", encoding), value)

    np.testing.assert_allclose(clipped_within(1.0), 0.2 * np.sqrt(0.01), rtol=0.05)
    assert clipped_within(0.9) == 0, "one value in ten"
    assert clipped_within(1.3) == 0, "nothing"
