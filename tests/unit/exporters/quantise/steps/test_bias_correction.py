from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir
from unit.exporters.quantise.chain_support import FIRST, network

from edgecnn_exporters.quantise.calibrate.ranges import encode_groups, quantise_weights
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.plan import QuantisationPlan, make_plan
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.graph.qdq import Numbers, write_qdq
from edgecnn_exporters.quantise.graph.walk import Walk, steps_of
from edgecnn_exporters.quantise.steps.bias_correction import (
    channel_means,
    correct_biases,
    float_means,
)
from edgecnn_runtime.encoding import QuantisedWeight, Range

RANDOM = np.random.default_rng(0)
SAMPLES = list(RANDOM.uniform(0, 1, (8, 1, 3, 8, 8)).astype(np.float32))
WEIGHTS = {
    "w3": RANDOM.standard_normal((4, 3, 3, 3)).astype(np.float32),
    "b3": RANDOM.standard_normal(4).astype(np.float32),
    "w4": RANDOM.standard_normal((5, 4, 1, 1)).astype(np.float32),
    "w5": RANDOM.standard_normal((3, 5)).astype(np.float32),
}
BODY = """[one] a = Conv <pads = [1, 1, 1, 1]> (x, w3, b3) [relu] b = Relu (a)
[two] c = Conv (b, w4) [add] d = Add (c, c) [pool] e = GlobalAveragePool (d)
[flat] f = Flatten (e) [three] y = Gemm <transB = 1> (f, w5)"""
# What leaves the first layer is what its Relu lets through.
OUTPUTS = {"one": "b", "two": "c", "three": "y"}


def coarse() -> tuple[ir.Model, QuantisationPlan, Numbers]:
    """The network with weights of two bits, whose rounding moves the means a lot."""
    model = network(BODY, WEIGHTS, answers="float[N, K] y")
    plan = make_plan(model.graph)
    seen = ValueProbe(model, plan.sources).run(np.concatenate(SAMPLES))
    ranges = {name: Range(float(v.min()), float(v.max())) for name, v in seen.items()}
    activations = encode_groups(plan, ranges)
    weights = quantise_weights(model.graph, plan, activations, QuantConfig(weight_bits=3))
    return model, plan, Numbers(activations, weights)


def means(model: ir.Model, names: dict[str, str]) -> dict[str, np.ndarray]:
    outputs = list(ValueProbe(model, list(names.values())).stream(SAMPLES))
    return {
        node: np.array([channel_means(each[value]) for each in outputs]).mean(axis=0)
        for node, value in names.items()
    }


def distance(model: ir.Model, found: ir.Model) -> float:
    """Between the outputs, as a share of the float network's."""
    expected = np.concatenate([next(iter(o.values())) for o in ValueProbe(model).stream(SAMPLES)])
    outputs = np.concatenate([next(iter(o.values())) for o in ValueProbe(found).stream(SAMPLES)])
    return float(np.square(outputs - expected).sum() / np.square(expected).sum())


def test_afterwards_every_layer_has_the_mean_of_the_float_network() -> None:
    model, plan, numbers = coarse()
    expected = means(model, OUTPUTS)
    before = means(write_qdq(model, plan, numbers), OUTPUTS)
    biases = correct_biases(model, plan, numbers, float_means(model, plan, SAMPLES), SAMPLES)
    after = means(write_qdq(model, plan, replace(numbers, biases=biases)), OUTPUTS)
    for name in OUTPUTS:
        # Not to the last digit: of eight samples, some of the error is their own.
        far, near = (np.abs(each[name] - expected[name]).max() for each in (before, after))
        assert near < 0.15 * far, name


def test_it_helps_where_rounding_shifts_the_means() -> None:
    model, plan, numbers = coarse()
    biases = correct_biases(model, plan, numbers, float_means(model, plan, SAMPLES), SAMPLES)
    corrected = write_qdq(model, plan, replace(numbers, biases=biases))
    assert distance(model, corrected) < 0.5 * distance(model, write_qdq(model, plan, numbers))


def test_with_the_wrong_sign_it_hurts() -> None:
    model, plan, numbers = coarse()
    biases = correct_biases(model, plan, numbers, float_means(model, plan, SAMPLES), SAMPLES)
    old = {"one": WEIGHTS["b3"]} | {name: np.zeros_like(biases[name]) for name in ("two", "three")}
    wrong = {name: old[name] - (bias - old[name]) for name, bias in biases.items()}
    spoilt = write_qdq(model, plan, replace(numbers, biases=wrong))
    assert distance(model, spoilt) > distance(model, write_qdq(model, plan, numbers))


def test_a_second_correction_finds_nothing() -> None:
    model, plan, numbers = coarse()
    once = correct_biases(model, plan, numbers, float_means(model, plan, SAMPLES), SAMPLES)
    twice = correct_biases(
        model, plan, replace(numbers, biases=once), float_means(model, plan, SAMPLES), SAMPLES
    )
    for name in OUTPUTS:
        np.testing.assert_allclose(twice[name], once[name], atol=0.05)


def test_a_walk_makes_every_value_that_the_whole_graph_makes() -> None:
    model, plan, numbers = coarse()
    found = write_qdq(model, plan, numbers)
    names = ["b.quantised", "d.quantised", "y"]
    whole = [ValueProbe(found, names).run(sample) for sample in SAMPLES]
    walk = Walk(found, steps_of(found.graph, list(OUTPUTS)))
    seen = {}
    for step in walk.begin(SAMPLES):
        seen[step.target] = [array.copy() for array in walk.look(step, step.target)]
        walk.advance(step)
    for name in names:
        for sample, made in zip(whole, seen[name], strict=True):
            np.testing.assert_allclose(made, sample[name], rtol=1e-5, atol=1)
    assert not walk.hand, "what nobody reads any more is let go"


def test_a_walk_looks_at_each_product_once() -> None:
    model, plan, numbers = coarse()
    found = write_qdq(model, plan, numbers)
    steps = steps_of(found.graph, list(OUTPUTS))
    assert [name for step in steps for name in step.products] == ["one", "two", "three"]


def test_weights_and_encodings_stay_as_they_were() -> None:
    model, plan, numbers = coarse()
    before: dict[str, QuantisedWeight] = dict(numbers.weights)
    correct_biases(model, plan, numbers, float_means(model, plan, SAMPLES), SAMPLES)
    assert numbers.weights == before


def test_an_output_that_follows_from_constants_is_no_step_of_the_walk() -> None:
    model = network(
        f"{FIRST} [scale] anchors = Mul (one, six)",
        answers="float[N, C, H, W] a, float anchors",
    )
    assert [step.target for step in steps_of(model.graph, ["first"])] == ["a"]


def test_a_few_samples_with_massive_activations_decide_nothing() -> None:
    """One image in eight is a hundred times as bright: the others keep their correction."""
    model, plan, numbers = coarse()
    bright = [*SAMPLES * 3, *(100 * each for each in SAMPLES[:3])]
    plain, shifted = (
        correct_biases(model, plan, numbers, float_means(model, plan, samples), samples)
        for samples in (SAMPLES * 3, bright)
    )
    for name, bias in plain.items():
        np.testing.assert_allclose(shifted[name], bias, atol=0.3 * np.ptp(bias))
