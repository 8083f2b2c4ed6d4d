from __future__ import annotations

import numpy as np
import pytest
from unit.exporters.quantise.chain_support import (
    FIRST,
    SECOND,
    SUMS,
    assert_same,
    compute,
    inputs,
    network,
    weight,
    weights_of,
)

from edgecnn_exporters.quantise.steps.equalise import equalise


@pytest.mark.parametrize(
    ("between", "reason"),
    [
        ("b = HardSwish (a)", "HardSwish act: it is not positively homogeneous"),
        ("b = Sigmoid (a)", "Sigmoid act: it is not positively homogeneous"),
        ("b = HardSigmoid (a)", "HardSigmoid act: it is not positively homogeneous"),
        ("b = Tanh (a)", "Tanh act: it is not positively homogeneous"),
        ("b = Elu (a)", "Elu act: it is not positively homogeneous"),
        ("b = Gelu (a)", "Gelu act: it is not positively homogeneous"),
        ("b = Softplus (a)", "Softplus act: it is not positively homogeneous"),
        ("b = LRN <size = 3> (a)", "LRN act: it is not positively homogeneous"),
        ("b = Exp (a)", "Exp act: it is neither"),
        ("b = Add (f, a)", "Add act: it is neither"),
        ("b = Clip (a, zero, six)", "Clip act: no peaks of a tell"),
        ("b = Clip (a, minus, six)", "it clips to -1 … 6, not from zero upwards"),
        ("b = Clip (a, minus)", "not from zero upwards"),
        ("b = Clip (a, zero, zero)", "it clips to 0 … 0, not from zero upwards"),
        ("b = Clip (a, zero, bound)", "Clip act: its bounds are computed"),
        ("b = PRelu (f, a)", "PRelu act: it reads a as a parameter"),
        ("b = Pad (a, edges, one)", "Pad act: it pads with another constant than zero"),
        ("b = Pad (a, size)", "Pad act: its pads are computed"),
        ("b = Pad (a, sides, , axes)", "Pad act: its axes are unknown"),
        (
            "b, p = MaxPool <kernel_shape = [2, 2]> (a) q = Cast <to = 1> (p)",
            "MaxPool act: its",
        ),
    ],
)
def test_what_is_not_f_of_s_x_is_left_alone(between: str, reason: str) -> None:
    assert_left_alone(f"{FIRST} [act] {between} {SECOND}", "float[N, C, H, W] y", reason)


def assert_left_alone(body: str, answers: str, reason: str) -> None:
    model = network(
        body,
        {
            "wt": weight(3, 6, 1, 1, seed=1),
            "wu": weight(6, 6, 1, 1, seed=1),
            "w8": weight(5, 8, 1, 1, seed=1),
            "w5": weight(5, 5, 1, 1, seed=1),
            "wf": weight(5, 64, seed=1),
        },
        reads="""float[4, 3, 8, 8] x, float[4, 6, 8, 8] f, float[6, 3, 1, 1] given,
        float[5, 6, 1, 1] computed, int64[8] size, int64[2] axes, float bound""",
        answers=answers,
    )
    before = weights_of(model)
    found = equalise(model)
    assert not found.equalised
    assert found.refused[0].first == "first"
    assert reason in found.refused[0].reason
    for name, array in weights_of(model).items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(
    ("body", "answers", "reason"),
    [
        (
            f"{FIRST} s = Sigmoid (a) [m] b = Mul (a, s) {SECOND}",
            "float[N, C, H, W] y",
            "Mul m: it ends SiLU, x times Sigmoid(x)",
        ),
        (
            f"{FIRST} s = HardSigmoid (a) [m] b = Mul (s, a) {SECOND}",
            "float[N, C, H, W] y",
            "Mul m: it ends HardSwish, x times HardSigmoid(x)",
        ),
        (
            f"{FIRST} [gate] s = Sigmoid (a) [n] n = Neg (a) b = Mul (s, n) {SECOND}",
            "float[N, C, H, W] y",
            "a has not one reader but Sigmoid gate, Neg n",
        ),
        (
            f"{FIRST} [gate] s = Sigmoid (a) [sum] b = Add (a, s) {SECOND}",
            "float[N, C, H, W] y",
            "a has not one reader but Sigmoid gate, Add sum",
        ),
        (
            f"{FIRST} [gate] s = Neg (a) [m] b = Mul (a, s) {SECOND}",
            "float[N, C, H, W] y",
            "a has not one reader but Neg gate, Mul m",
        ),
        (
            f"{FIRST} [square] b = Mul (a, a) {SECOND}",
            "float[N, C, H, W] y",
            "a has not one reader but Mul square",
        ),
        (
            f"{FIRST} [act] r = Relu (a) [sum] b = Add (a, r) {SECOND}",
            "float[N, C, H, W] y",
            "a has not one reader but Relu act, Add sum",
        ),
        (
            f"{FIRST} r = Relu (a) [p] q = Neg (r) [sum] b = Add (r, q) {SECOND}",
            "float[N, C, H, W] y",
            "r has not one reader but Neg p, Add sum",
        ),
        (
            f"{FIRST} b = Relu (a) {SECOND}",
            "float[N, C, H, W] y, float[N, D, H, W] a",
            "a is an output of the graph",
        ),
        (
            f"{FIRST} b = Relu (a) {SECOND}",
            "float[N, C, H, W] y, float[N, D, H, W] b",
            "b is an output of the graph",
        ),
        (
            f"{FIRST} [p] b = MaxPool <kernel_shape = [2, 2]> (a) [c] d = Clip (b, zero, six)"
            " [second] y = Conv (d, w2)",
            "float[N, C, H, W] y",
            "Clip c: it does not directly follow the sum",
        ),
        (
            f"{FIRST} b = Relu (a) {SECOND} [other] z = Conv (f, w2)",
            "float[N, C, H, W] y, float[N, D, H, W] z",
            "the weight of Conv second has a second reader",
        ),
        (
            f"{FIRST} b = Relu (a) {SECOND} [other] z = Conv (x, w1)",
            "float[N, C, H, W] y, float[N, D, H, W] z",
            "the weight of Conv first has a second reader",
        ),
        (
            f"{FIRST} b = Relu (a) {SECOND}",
            "float[N, C, H, W] y, float[5, 6, 1, 1] w2",
            "the weight of Conv second has a second reader",
        ),
        (
            "[first] a = Conv (x, given) [second] y = Conv (a, w2)",
            "float[N, C, H, W] y",
            "its weights are computed",
        ),
        (
            "[first] a = ConvTranspose (x, wt) [second] y = Conv (a, w2)",
            "float[N, C, H, W] y",
            "the weight of a ConvTranspose lies the other way round",
        ),
        (
            f"{FIRST} [second] y = ConvTranspose (a, wu)",
            "float[N, C, H, W] y",
            "ConvTranspose second: it is neither",
        ),
        (
            f"{FIRST} [second] y = Conv (a, computed)",
            "float[N, C, H, W] y",
            "Conv second: its weights are computed",
        ),
        (
            f"{FIRST} [second] y = Conv (f, a)",
            "float[N, C, H, W] y",
            "Conv second: its weights are computed",
        ),
        (
            f'{FIRST} [p] b = Pad <mode = "edge"> (a, more) [second] y = Conv (b, w8)',
            "float[N, C, H, W] y",
            "Pad p: it adds or takes away channels",
        ),
        (
            f"{FIRST} [p] b = Pad (a, fewer) [second] y = Conv (b, w5)",
            "float[N, C, H, W] y",
            "Pad p: it adds or takes away channels",
        ),
        (
            f"{FIRST} [p] b = Pad (a, taken, , at_channels) [second] y = Conv (b, w5)",
            "float[N, C, H, W] y",
            "Pad p: it adds or takes away channels",
        ),
        (
            f"{FIRST} [p] b = Flatten <axis = 2> (a) [second] y = Gemm <transB = 1> (b, wf)",
            "float[K, L] y",
            "Flatten p: it joins other axes than those behind the batch",
        ),
    ],
)
def test_it_is_left_alone_where(body: str, answers: str, reason: str) -> None:
    assert_left_alone(body, answers, reason)


def test_a_gemm_that_is_not_canonical_is_left_alone() -> None:
    weights = {"w1": weight(6, 3, seed=1), "w2": weight(6, 5, seed=3)}
    model = network(
        "[first] a = Gemm <transB = 1> (x, w1) [second] y = Gemm (a, w2)",
        weights,
        reads="float[N, 3] x",
        answers="float[N, C] y",
    )
    found = equalise(model)
    assert found.refused[0].reason == "Gemm second: it is no plain fully connected layer"
    np.testing.assert_array_equal(weights_of(model)["w2"], weights["w2"])


def test_dead_channels_keep_their_weights() -> None:
    weights = {name: array.copy() for name, array in SUMS.items()}
    weights["w1"][1] = 0
    weights["w2"][:, 4] = 0
    model = network(f"{FIRST} b = Relu (a) {SECOND}", weights)
    before = compute(model, "y", inputs())
    found = equalise(model)
    assert_same(compute(model, "y", inputs()), before)
    after = weights_of(model)
    for channel in (1, 4):
        np.testing.assert_array_equal(after["w1"][channel], weights["w1"][channel])
        np.testing.assert_array_equal(after["b1"][channel], weights["b1"][channel])
        np.testing.assert_array_equal(after["w2"][:, channel], weights["w2"][:, channel])
    assert found.equalised[0].channels == 4


def test_a_channel_that_is_all_but_dead_is_scaled_a_thousandfold_at_most() -> None:
    weights = {name: array.copy() for name, array in SUMS.items()}
    weights["w1"][1] *= 1e-20
    weights["w2"][:, 4] *= 1e-20
    model = network(f"{FIRST} b = Relu (a) {SECOND}", weights)
    before = compute(model, "y", inputs())
    found = equalise(model)
    assert_same(compute(model, "y", inputs()), before)
    after = weights_of(model)
    np.testing.assert_allclose(after["b1"][1], weights["b1"][1] * 1e3, rtol=1e-5)
    np.testing.assert_allclose(after["b1"][4], weights["b1"][4] / 1e3, rtol=1e-5)
    assert found.equalised[0].ratio == pytest.approx(1e3)
