from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.errors import CalibrationFailed
from edgecnn_exporters.quantise.calibrate.collect import calibrate
from edgecnn_exporters.quantise.graph.probe import ValueProbe

BODY = "[conv] a = Conv <pads = [1, 1, 1, 1]> (x, w1, b1) [relu] y = Relu (a)"
SAMPLES = list(np.random.default_rng(0).standard_normal((6, 1, 3, 8, 8)).astype(np.float32))


def test_extremes_are_those_of_all_samples() -> None:
    model = network(BODY)
    found = calibrate(model, SAMPLES, ["x", "y"])
    outputs = ValueProbe(model, ["y"]).run(np.concatenate(SAMPLES))["y"]
    assert found.samples == 6
    assert found.values["y"].high == pytest.approx(outputs.max(), rel=1e-5)
    assert found.values["x"].low == np.min(SAMPLES)


def test_channels_are_told_apart() -> None:
    model = network(BODY)
    found = calibrate(model, SAMPLES, [], ["a"]).channels["a"]
    outputs = ValueProbe(model, ["a"]).run(np.concatenate(SAMPLES))["a"]
    np.testing.assert_allclose(found.low, outputs.min(axis=(0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(found.high, outputs.max(axis=(0, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize("clip", ["Relu (a)", "Clip (a, zero, six)", "Clip (a, minus)"])
def test_what_is_clipped_has_the_statistics_of_its_values(clip: str) -> None:
    """It follows from what it clips where that is looked at; else it is looked at itself."""
    model = network(f"{BODY.partition('[relu]')[0]} y = {clip}")
    own, derived = (
        calibrate(model, SAMPLES, ["y"], channels).values["y"].histogram()
        for channels in ([], ["a"])
    )
    np.testing.assert_array_equal(derived.counts, own.counts)
    assert replace(derived, counts=own.counts) == replace(own, counts=own.counts)
    assert own.counts.sum() > 0


def test_infinity_is_refused_with_the_value_that_holds_it() -> None:
    model = network(BODY, {"w1": np.full((6, 3, 3, 3), 1e38, np.float32)})
    with pytest.raises(CalibrationFailed, match=r"a holds NaN or infinity for sample 0"):
        calibrate(model, SAMPLES, ["a"])


def test_no_samples_are_refused() -> None:
    with pytest.raises(CalibrationFailed, match="no samples"):
        calibrate(network(BODY), [], ["y"])


def test_progress_ends_at_one() -> None:
    told: list[float] = []
    calibrate(network(BODY), SAMPLES, ["y"], progress=told.append)
    assert told[-1] == 1
    assert told == sorted(told)
