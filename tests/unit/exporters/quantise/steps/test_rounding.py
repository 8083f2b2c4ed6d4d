from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.quantise.calibrate.ranges import encode_groups, quantise_weights
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.encoding import Range, along
from edgecnn_exporters.quantise.graph.plan import make_plan
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.graph.qdq import Numbers, write_qdq
from edgecnn_exporters.quantise.steps import round_layer
from edgecnn_exporters.quantise.steps.rounding import round_adaptively

RANDOM = np.random.default_rng(0)
# Channels that go together: rounding one up and the other down leaves the sum as it was.
PICTURES = RANDOM.uniform(0, 1, (12, 1, 1, 8, 8)).repeat(3, axis=2).astype(np.float32)
SAMPLES = list(PICTURES + 0.05 * RANDOM.uniform(0, 1, PICTURES.shape).astype(np.float32))
WEIGHTS = {
    "w3": RANDOM.standard_normal((6, 3, 3, 3)).astype(np.float32),
    "b3": RANDOM.standard_normal(6).astype(np.float32),
    "w4": RANDOM.standard_normal((6, 1, 3, 3)).astype(np.float32),
    "w5": RANDOM.standard_normal((4, 6)).astype(np.float32),
}
BODY = """[one] a = Conv <pads = [1, 0, 1, 1], strides = [1, 2]> (x, w3, b3) [relu] b = Relu (a)
[two] c = Conv <group = 6, dilations = [2, 1]> (b, w4) [pool] e = GlobalAveragePool (c)
[flat] f = Flatten (e) [three] y = Gemm <transB = 1> (f, w5)"""
NAMES = ("one", "two", "three")
BITS = 4


@pytest.fixture(scope="module")
def coarse():  # type: ignore[no-untyped-def]
    """The network with four-bit weights, whose rounding matters."""
    model = network(BODY, WEIGHTS, answers="float[N, K] y")
    plan = make_plan(model.graph)
    seen = ValueProbe(model, plan.sources).run(np.concatenate(SAMPLES))
    ranges = {name: Range(float(v.min()), float(v.max())) for name, v in seen.items()}
    activations = encode_groups(plan, ranges)
    weights = quantise_weights(model.graph, plan, activations, QuantConfig(weight_bits=BITS))
    return model, plan, Numbers(activations, weights)


def test_layers_come_nearer_to_the_float_network(coarse) -> None:  # type: ignore[no-untyped-def]
    model, plan, numbers = coarse
    found, rounded = round_adaptively(model, plan, numbers, NAMES, SAMPLES, BITS)
    assert rounded, "of three layers in four bits one can surely be rounded better"
    for each in rounded:
        assert each.after < each.before
    x = np.concatenate(SAMPLES)
    # What the Relu lets through: an error below zero is none.
    expected = ValueProbe(model, ["b"]).run(x)["b"]
    errors = [
        np.square(ValueProbe(write_qdq(model, plan, n), ["b"]).run(x)["b"] - expected).mean()
        for n in (numbers, found)
    ]
    assert errors[1] < 0.9 * errors[0]


def test_every_weight_is_rounded_up_or_down_and_no_further(coarse) -> None:  # type: ignore[no-untyped-def]
    model, plan, numbers = coarse
    found, rounded = round_adaptively(model, plan, numbers, NAMES, SAMPLES, BITS)
    for each in rounded:
        weight = next(node.inputs[1] for node in model.graph if node.name == each.node)
        after = found.weights[each.node]
        exact = weight.const_value.numpy() / along(after.scale, after.integers.ndim, 0)
        assert np.abs(after.integers - exact).max() <= 1
        assert np.abs(after.integers).max() <= 7
        np.testing.assert_array_equal(after.scale, numbers.weights[each.node].scale)


def test_a_layer_that_diverges_keeps_its_nearest_integers(  # type: ignore[no-untyped-def]
    coarse, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, plan, numbers = coarse
    monkeypatch.setattr(round_layer, "LEARNING_RATE", 1e4)
    monkeypatch.setattr(round_layer, "STEPS", 3)
    found, rounded = round_adaptively(model, plan, numbers, NAMES, SAMPLES, BITS)
    better = {each.node for each in rounded}
    for name in set(NAMES) - better:
        np.testing.assert_array_equal(found.weights[name].integers, numbers.weights[name].integers)
    assert len(better) < len(NAMES)


def test_the_same_samples_give_the_same_integers(coarse) -> None:  # type: ignore[no-untyped-def]
    model, plan, numbers = coarse
    one, other = (
        round_adaptively(model, plan, numbers, ["one"], SAMPLES, BITS)[0] for _ in range(2)
    )
    np.testing.assert_array_equal(one.weights["one"].integers, other.weights["one"].integers)


@pytest.mark.parametrize("name", NAMES)
def test_torch_computes_what_the_graph_does(coarse, name: str) -> None:  # type: ignore[no-untyped-def]
    model, _, numbers = coarse
    node = next(node for node in model.graph if node.name == name)
    source, target = str(node.inputs[0].name), str(node.outputs[0].name)
    seen = ValueProbe(model, [source, target]).run(SAMPLES[0])
    weight = node.inputs[1].const_value.numpy()
    bias = node.inputs[2].const_value.numpy() if len(node.inputs) > 2 else np.zeros(len(weight))
    layer = round_layer.LayerSamples(
        node,
        weight,
        bias.astype(np.float32),
        replace(numbers.weights[name]),
        [seen[source]],
        [seen[target]],
    )
    assert round_layer.error_of(layer, weight) == pytest.approx(0, abs=1e-9)


def test_no_sample_with_massive_activations_decides(coarse) -> None:  # type: ignore[no-untyped-def]
    """Each sample counts by its own power, one that is a hundred times as bright as well."""
    model, _, numbers = coarse
    (node,) = [each for each in model.graph if each.name == "one"]
    inputs = [SAMPLES[0], 100 * SAMPLES[1]]
    layer = round_layer.LayerSamples(
        node,
        WEIGHTS["w3"],
        np.zeros(6, np.float32),
        numbers.weights["one"],
        inputs,
        [ValueProbe(model, ["a"]).run(each)["a"] for each in inputs],
    )
    dim, bright = layer.weigh()
    assert dim > 20 * bright, "with a floor of a hundredth of the mean power"


def test_biases_stay_as_they_are(coarse) -> None:  # type: ignore[no-untyped-def]
    model, plan, numbers = coarse
    found, _ = round_adaptively(model, plan, numbers, NAMES, SAMPLES, BITS)
    for name, bias in found.biases.items():
        expected = WEIGHTS["b3"] if name == "one" else np.zeros_like(bias)
        np.testing.assert_array_equal(bias, expected)
