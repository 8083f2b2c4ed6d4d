"""Inputs and outputs of plans: several, vectors, 8-bit results as floats, float results of sums."""

from __future__ import annotations

import numpy as np
from plans.executor import Executor
from plans.networks import SAMPLES, quantised
from plans.plan_file import read

from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.targets.native.write import plan_of


def test_several_inputs_and_outputs_keep_their_order_and_names() -> None:
    net = quantised(
        "a = Conv (x, point) b = Conv (z, point) c = Add (a, b) g = GlobalAveragePool (c) "
        "[result] y = Conv (g, back)",
        reads="float[N, 6, 9, 11] x, float[N, 6, 9, 11] z",
        answers="float[N, C, H, W] y, float[N, C, H, W] a",
    )
    plan = read(plan_of(net.model).to_bytes())
    feeds = {"x": SAMPLES[0], "z": SAMPLES[1]}
    expected = ValueProbe(net.model, kernels=True).run_all(feeds)
    found = Executor(plan).run(SAMPLES[0][0], SAMPLES[1][0])
    assert [tensor.name for tensor in plan.tensors[:4]] == ["x", "z", "y", "a"]
    np.testing.assert_allclose(found[0], expected["y"][0], atol=1e-6)
    np.testing.assert_equal(found[1], expected["a"][0])
    least = read(plan_of(net.model, least_memory=True).to_bytes())
    np.testing.assert_equal(Executor(least).run(SAMPLES[0][0], SAMPLES[1][0]), found)


def test_a_vector_has_no_height_and_width() -> None:
    net = quantised(
        "[h] a = Gemm <transB = 1> (x, fc) b = Relu (a) [result] y = MatMul (b, tenth)",
        reads="float[N, 6] x",
        answers="float[N, M] y",
    )
    plan = read(plan_of(net.model).to_bytes())
    vector = SAMPLES[0][:, :, 0, 0]
    (expected,) = ValueProbe(net.model, kernels=True).run(vector).values()
    np.testing.assert_allclose(Executor(plan).run(vector[0])[0].reshape(1, -1), expected, rtol=1e-5)
    assert [(tensor.channels, tensor.vector) for tensor in plan.tensors[:2]] == [(6, 1), (4, 1)]


def test_a_float_image_leaves_as_sums_times_their_scale() -> None:
    net = quantised("[result] y = Conv (x, point, summand)")
    plan = read(plan_of(net.model).to_bytes())
    (expected,) = ValueProbe(net.model, kernels=True).run(SAMPLES[0]).values()
    (found,) = Executor(plan).run(SAMPLES[0][0])
    np.testing.assert_allclose(found, expected[0], atol=1e-6)
    assert plan.tensors[1].type == 1


def test_functions_of_results_stay_float_where_inputs_and_outputs_are_bytes() -> None:
    flat = "g = GlobalAveragePool (x) f = Flatten (g)"
    for rest in (
        "[result] l = MatMul (f, matrix) [result2] y = Softmax (l)",
        "l = MatMul (f, matrix) [result] y = Sigmoid (l)",
        "l = MatMul (f, matrix) [result] y = Softmax (l)",
    ):
        model = quantised(f"{flat} {rest}", answers="float[N, C] y").model
        plan = read(plan_of(model, byte_io=True).to_bytes())
        assert [tensor.type for tensor in plan.tensors[:2]] == [0, 1]
