from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.quantise.chain_support import inputs, network

from edgecnn_exporters.errors import CalibrationFailed
from edgecnn_exporters.passes.moments import Moments, note, noted
from edgecnn_exporters.quantise.calibrate.propagate import WIDTH, Channels, propagate
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.integer_forms import prepare
from edgecnn_exporters.quantise.steps.absorb import absorb_high_biases
from edgecnn_exporters.quantise.steps.equalise import equalise
from edgecnn_runtime.encoding import Range

RANDOM = np.random.default_rng(0)
UNIT = Range(-1, 1)
MEAN, DEVIATION = np.linspace(-2, 2, 6), np.linspace(0.5, 1.5, 6)


def told(body: str, **more: np.ndarray) -> dict[str, Channels]:
    """Every value of a network whose `a`, six channels, is batch-normalised."""
    model = network(f"[first] a = Conv <pads = [1, 1, 1, 1]> (x, w1) {body}", more)
    note_of(model, "a", MEAN, DEVIATION)
    return propagate(model.graph, UNIT)


def note_of(model: ir.Model, value: str, mean: np.ndarray, deviation: np.ndarray) -> ir.Value:
    (found,) = (o for node in model.graph for o in node.outputs if o.name == value)
    note(found, Moments(mean, deviation))
    return found


def test_a_normalised_channel_ends_six_deviations_from_beta() -> None:
    found = told("[act] y = Relu (a)")
    np.testing.assert_allclose(found["a"].low, MEAN - WIDTH * DEVIATION)
    np.testing.assert_allclose(found["a"].high, MEAN + WIDTH * DEVIATION)
    np.testing.assert_allclose(found["a"].mean, MEAN, atol=1e-9)
    np.testing.assert_allclose(found["y"].low, 0)
    np.testing.assert_allclose(found["y"].high, MEAN + WIDTH * DEVIATION, rtol=1e-6)


def test_what_is_computed_of_one_value_varies_with_it() -> None:
    """SiLU has no value below -0.279, though x and its sigmoid by themselves reach further."""
    found = told("[gate] g = Sigmoid (a) [swish] y = Mul (a, g)")
    assert found["y"].low.min() == pytest.approx(-0.2785, abs=0.02)
    assert found["y"].high[5] == pytest.approx(MEAN[5] + WIDTH * DEVIATION[5], rel=1e-3)


def test_two_of_their_own_add_up_as_independent_ones_do() -> None:
    body = "[second] b = Conv <pads = [1, 1, 1, 1]> (x, w1) [sum] y = Add (a, b)"
    model = network(f"[first] a = Conv <pads = [1, 1, 1, 1]> (x, w1) {body}")
    for name in ("a", "b"):
        note_of(model, name, MEAN, DEVIATION)
    found = propagate(model.graph, UNIT)["y"]
    np.testing.assert_allclose(found.mean, 2 * MEAN, atol=1e-6)
    expected = 2 * MEAN + WIDTH * np.sqrt(2) * DEVIATION
    np.testing.assert_allclose(found.high, expected, atol=0.1 * expected.max())


@pytest.mark.parametrize(
    "product",
    [
        "y = Conv (a, w)",
        "y = Conv <group = 2> (a, grouped)",
        "y = ConvTranspose <strides = [2, 2]> (a, transposed)",
    ],
)
def test_a_sum_without_normalisation_is_that_of_independent_terms(product: str) -> None:
    weights = {
        "w": RANDOM.standard_normal((4, 6, 3, 3)).astype(np.float32),
        "grouped": RANDOM.standard_normal((4, 3, 3, 3)).astype(np.float32),
        "transposed": RANDOM.standard_normal((6, 4, 2, 2)).astype(np.float32),
    }
    found = told(f"[second] {product}", **weights)["y"]
    body = f"[second] {product}".replace("(a", "(x")
    model = network(body, weights, reads="float[N, 6, 40, 40] x")
    unit = inputs(4, 6, 40, 40)
    x = (unit * DEVIATION[:, None, None] + MEAN[:, None, None]).astype(np.float32)
    y = ValueProbe(model, ["y"]).run(x)["y"]
    scale = y.std(axis=(0, 2, 3))
    np.testing.assert_allclose(found.mean, y.mean(axis=(0, 2, 3)), atol=0.1 * scale.max())
    np.testing.assert_allclose(found.draws.std(axis=0), scale, rtol=0.5)


def test_channels_keep_their_place() -> None:
    found = told("[join] c = Concat <axis = 1> (a, a) [pool] y = MaxPool <kernel_shape=[2, 2]> (c)")
    np.testing.assert_allclose(found["y"].high, np.tile(found["a"].high, 2))


def test_channels_that_are_padded_or_moved_are_taken_together() -> None:
    # Two channels more, as ResNet's parameter-free shortcut has them.
    found = told("y = Pad (a, wider)", wider=np.array([0, 1, 0, 0, 0, 1, 0, 0]))["y"]
    assert found.low.shape == (1,)
    assert found.high[0] == pytest.approx(float((MEAN + WIDTH * DEVIATION).max()))


def test_the_mean_of_a_picture_varies_less_than_its_places() -> None:
    found = told("[pool] y = GlobalAveragePool (a)")
    np.testing.assert_allclose(found["y"].mean, MEAN, atol=1e-9)
    assert (found["y"].high < found["a"].high).all()
    assert (found["y"].high > MEAN + DEVIATION).all()


def test_without_batch_normalisation_nothing_is_told() -> None:
    with pytest.raises(CalibrationFailed, match="the network has none, or it was folded before"):
        propagate(network("[first] y = Conv (x, w1)").graph, UNIT)


def test_what_is_not_computed_place_by_place_is_named() -> None:
    with pytest.raises(CalibrationFailed, match="does not determine what MatMul mixed computes"):
        told("[mixed] y = MatMul (a, m)", m=RANDOM.standard_normal((8, 3)).astype(np.float32))


def test_equalising_takes_the_note_along() -> None:
    body = "[first] a = Conv (x, w1, b1) [act] b = Relu (a) [second] y = Conv (b, w2, b2)"
    model = network(body)
    value = note_of(model, "a", MEAN, DEVIATION)
    before = ValueProbe(model, ["a"]).run(inputs())["a"]
    assert equalise(model).equalised
    after = ValueProbe(model, ["a"]).run(inputs())["a"]
    factor = np.abs(after).max(axis=(0, 2, 3)) / np.abs(before).max(axis=(0, 2, 3))
    found = noted(value)
    assert found is not None
    np.testing.assert_allclose(found.mean, MEAN * factor, rtol=1e-5)
    np.testing.assert_allclose(found.deviation, DEVIATION * factor, rtol=1e-5)


def test_absorbing_takes_the_note_along() -> None:
    body = "[first] a = Conv (x, w1, b1) [act] b = Relu (a) [second] y = Conv (b, w2, b2)"
    model = network(body)
    value = note_of(model, "a", MEAN, DEVIATION)
    floors = np.array([0, 1, 0, 2, 0, 0], np.float32)
    assert absorb_high_biases(model, {"a": floors}).absorbed
    found = noted(value)
    assert found is not None
    np.testing.assert_allclose(found.mean, MEAN - floors)


def test_the_factor_of_hard_swish_takes_the_note_along() -> None:
    model = network("[first] a = Conv (x, w1, b1) [act] y = HardSwish (a)")
    value = note_of(model, "a", MEAN, DEVIATION)
    prepare(model)
    found = noted(value)
    assert found is not None
    np.testing.assert_allclose(found.deviation, DEVIATION / np.sqrt(6))


def test_a_normalisation_that_becomes_a_convolution_keeps_what_it_says() -> None:
    weights = {"gamma": DEVIATION, "beta": MEAN, "mean": MEAN, "variance": DEVIATION}
    model = network(
        "[first] a = Conv (x, w1, b1) [act] b = Relu (a) "
        "[norm] y = BatchNormalization (b, gamma, beta, mean, variance)",
        {name: array.astype(np.float32) for name, array in weights.items()},
    )
    prepare(model)
    found = propagate(model.graph, UNIT)[str(model.graph.outputs[0].name)]
    np.testing.assert_allclose(found.high, MEAN + WIDTH * DEVIATION, rtol=1e-6)
