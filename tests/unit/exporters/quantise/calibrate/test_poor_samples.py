"""Samples and weights that say little are quantised all the same, and divide nothing by zero."""

from __future__ import annotations

import numpy as np
import pytest
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.quantise.calibrate.observers import OBSERVERS
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.ladder import Quantised, quantise
from edgecnn_runtime.arrays import Float32

RANDOM = np.random.default_rng(0)
WEIGHTS = {
    "w3": RANDOM.standard_normal((6, 3, 3, 3)).astype(np.float32),
    "w4": RANDOM.standard_normal((5, 6)).astype(np.float32),
}
BODY = """[one] a = Conv <pads = [1, 1, 1, 1]> (x, w3) [act] b = Relu (a)
[pool] c = GlobalAveragePool (b) [flat] d = Flatten (c) [two] y = Gemm <transB = 1> (d, w4)"""
OTHERS = list(RANDOM.standard_normal((4, 1, 3, 8, 8)).astype(np.float32))


def answers(found: Quantised, samples: list[Float32]) -> np.ndarray:
    outputs = [next(iter(each.values())) for each in ValueProbe(found.model).stream(samples)]
    return np.concatenate(outputs)


def quantised(samples: list[Float32], observer: str | None = None, **weights: Float32) -> Quantised:
    model = network(BODY, WEIGHTS | weights, answers="float[N, K] y")
    return quantise(model, samples, QuantConfig(observer=observer))


def test_images_of_one_class_quantise_and_others_are_clipped_not_broken() -> None:
    one = RANDOM.standard_normal((1, 3, 8, 8)).astype(np.float32)
    alike = [one + np.float32(0.01) * RANDOM.standard_normal(one.shape).astype(np.float32)] * 12
    found = quantised(alike)
    assert found.score.sqnr_db > 30
    assert np.isfinite(answers(found, OTHERS)).all()


@pytest.mark.parametrize("observer", sorted(OBSERVERS))
def test_pixels_of_one_bit_have_a_range(observer: str) -> None:
    bits = list((RANDOM.standard_normal((12, 1, 3, 8, 8)) > 0).astype(np.float32))
    found = quantised(bits, observer).score
    # A mean of extremes clips the sample that reaches furthest: no range for a few small images.
    assert found.typical_db > 15 if observer == "sample-mean" else found.sqnr_db > 25


@pytest.mark.parametrize("observer", sorted(OBSERVERS))
def test_a_constant_image_has_a_range(observer: str) -> None:
    grey = [np.full((1, 3, 8, 8), 0.5, np.float32)] * 8
    found = quantised(grey, observer)
    assert found.score.sqnr_db > 20
    assert np.isfinite(answers(found, OTHERS)).all()


def test_weights_with_a_zero_and_a_constant_channel_are_held() -> None:
    weight = WEIGHTS["w3"].copy()
    weight[0], weight[1] = 0, 0.25
    found = quantised(OTHERS * 3, w3=weight)
    assert found.score.sqnr_db > 25
    held = found.state.numbers.weights["one"].dequantise()
    np.testing.assert_array_equal(held[0], 0)
    # Equalisation scales the channel; it stays a constant, and is none of the zeros.
    assert held[1].min() == held[1].max() > 0


def test_a_batch_that_is_fixed_at_one_stays_so() -> None:
    model = network(BODY, WEIGHTS, reads="float[1, 3, 8, 8] x", answers="float[1, 5] y")
    found = quantise(model, OTHERS * 3)
    assert found.score.sqnr_db > 25
    assert found.model.graph.inputs[0].shape == [1, 3, 8, 8]
