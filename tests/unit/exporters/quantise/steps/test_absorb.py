from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.quantise.chain_support import (
    SECOND,
    SUMS,
    Weights,
    assert_same,
    compute,
    inputs,
    network,
    weight,
    weights_of,
)

from edgecnn_exporters.quantise.steps.absorb import absorb_high_biases

# The first five channels stay above zero for the inputs below, the last does not.
HIGH = np.array([4, 5, 6, 7, 8, 0], np.float32)


def first_sum(seed: int = 1) -> Weights:
    random = np.random.default_rng(seed)
    return {"w1": random.uniform(-0.2, 0.2, (6, 3, 1, 1)).astype(np.float32), "b1": HIGH}


def bounded(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (4, 3, 8, 8)).astype(np.float32)


def floors_of(model: ir.Model, x: np.ndarray) -> dict[str, np.ndarray]:
    return {"a": compute(model, "a", x).min(axis=(0, 2, 3))}


def make(between: str, weights: Weights | None = None, **signature: str) -> ir.Model:
    body = f"[first] a = Conv (x, w1, b1) {between}"
    return network(body, {**first_sum(), **(weights or {})}, **signature)


@pytest.mark.parametrize(
    "between",
    [
        f"b = Relu (a) {SECOND}",
        f"b = Relu (a) {SECOND.replace('Conv', 'Conv <auto_pad = {VALID}>')}",
        f"c = Relu (a) b = MaxPool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (c) {SECOND}",
        f"c = MaxPool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (a) b = Relu (c) {SECOND}",
        f"c = Relu (a) b = AveragePool <kernel_shape = [3, 3], count_include_pad = 1> (c) {SECOND}",
        f"""c = Relu (a) b = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (c)
        {SECOND}""",
        f"c = Relu (a) b = GlobalAveragePool (c) {SECOND}",
        f'c = Relu (a) b = Pad <mode = "reflect"> (c, edges) {SECOND}',
        f'c = Relu (a) b = Pad <mode = "edge"> (c, edges) {SECOND}',
    ],
)
def test_the_function_stays_and_the_activation_begins_at_zero(between: str) -> None:
    model = make(between.replace("{VALID}", '"VALID"'))
    x = bounded()
    before, floors = compute(model, "y", x), floors_of(model, x)
    found = absorb_high_biases(model, floors)
    assert_same(compute(model, "y", x), before)
    lowered = compute(model, "a", x).min(axis=(0, 2, 3))
    np.testing.assert_allclose(lowered[:5], 0, atol=2e-6)
    assert lowered[5] == floors["a"][5] < 0
    (pair,) = found.absorbed
    assert (pair.first, pair.second, pair.channels) == ("first", "second", 5)
    assert pair.largest == floors["a"].max()
    assert [refused.first for refused in found.refused] == ["second"]


def test_what_leaves_one_bias_arrives_in_the_next() -> None:
    w2 = np.array([[1, 2], [3, -4]], np.float32).reshape(2, 2, 1, 1)
    model = network(
        "[first] a = Conv (x, w1, b1) b = Relu (a) [second] y = Conv (b, w2, b2)",
        {
            "w1": np.ones((2, 1, 1, 1), np.float32),
            "b1": np.array([5, 1], np.float32),
            "w2": w2,
            "b2": np.array([0.5, 0.25], np.float32),
        },
        reads="float[N, 1, 2, 2] x",
    )
    absorb_high_biases(model, {"a": np.array([3, -2], np.float32)})
    after = weights_of(model)
    np.testing.assert_array_equal(after["b1"], [2, 1])
    np.testing.assert_array_equal(after["b2"], [0.5 + 3 * 1, 0.25 + 3 * 3])
    np.testing.assert_array_equal(after["w2"], w2)


@pytest.mark.parametrize(
    ("second", "weights"),
    [
        ("Conv (b, wk)", {"wk": weight(5, 6, 3, 3, seed=5)}),
        ("Conv <group = 6> (b, wd)", {"wd": weight(12, 1, 3, 3, seed=5)}),
        ("Conv <group = 2> (b, wg)", {"wg": weight(8, 3, 2, 2, seed=5)}),
    ],
    ids=["3×3", "depthwise", "in groups"],
)
def test_a_second_conv_without_padding_may_have_any_kernel(second: str, weights: Weights) -> None:
    model = make(f"b = Relu (a) [second] y = {second}", weights)
    x = bounded()
    before = compute(model, "y", x)
    assert absorb_high_biases(model, floors_of(model, x)).absorbed
    assert_same(compute(model, "y", x), before)


@pytest.mark.parametrize(
    ("between", "columns"),
    [("c = GlobalAveragePool (b) d = Flatten (c)", 1), ("d = Flatten (b)", 64)],
    ids=["one column a channel", "one block of columns a channel"],
)
def test_a_gemm_behind_a_flatten_takes_it(between: str, columns: int) -> None:
    model = make(
        f"b = Relu (a) {between} [second] y = Gemm <transB = 1> (d, wf)",
        {"wf": weight(7, 6 * columns, seed=5)},
        answers="float[N, C] y",
    )
    x = bounded()
    before = compute(model, "y", x)
    assert absorb_high_biases(model, floors_of(model, x)).absorbed
    assert_same(compute(model, "y", x), before)


def test_along_a_chain_every_sum_gives_and_takes() -> None:
    weights = {
        "w2": np.abs(SUMS["w2"]),
        "b2": np.abs(SUMS["b2"]),
        "w3": weight(4, 5, 1, 1, seed=5),
    }
    model = make(
        "b = Relu (a) [second] c = Conv (b, w2, b2) d = Relu (c) [third] y = Conv (d, w3)", weights
    )
    x = bounded()
    before = compute(model, "y", x)
    floors = {name: compute(model, name, x).min(axis=(0, 2, 3)) for name in ("a", "c")}
    found = absorb_high_biases(model, floors)
    assert [pair.first for pair in found.absorbed] == ["first", "second"]
    assert_same(compute(model, "y", x), before)
    np.testing.assert_allclose(compute(model, "c", x).min(axis=(0, 2, 3)), 0, atol=1e-3)


def test_a_second_time_nothing_is_left_to_do() -> None:
    model = make(f"b = Relu (a) {SECOND}")
    x = bounded()
    absorb_high_biases(model, floors_of(model, x))
    again = absorb_high_biases(model, floors_of(model, x))
    assert all(pair.largest < 2e-6 for pair in again.absorbed)


ZEROS = "it pads with zeros, of which none is c lower"


@pytest.mark.parametrize(
    ("between", "reason"),
    [
        (f"b = Relu (a) {SECOND.replace('Conv', 'Conv <pads = [0, 0, 0, 1]>')}", ZEROS),
        (f"b = Relu (a) {SECOND.replace('Conv', 'Conv <auto_pad = {SAME_UPPER}>')}", ZEROS),
        (f"c = Relu (a) [p] b = Pad (c, edges) {SECOND}", f"Pad p: {ZEROS}"),
        (
            f"""c = Relu (a) [p] b = AveragePool
            <kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1> (c) {SECOND}""",
            "AveragePool p: it counts padded zeros",
        ),
        (
            f"""c = Relu (a) [p] b = AveragePool
            <kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1, count_include_pad = 1> (c)
            {SECOND}""",
            "AveragePool p: it counts padded zeros",
        ),
        (f"c = Relu (a) [p] b = Flatten <axis = 2> (c) {SECOND}", "Flatten p: it joins other"),
        (f"[p] b = LeakyRelu (a) {SECOND}", "LeakyRelu p: only through Relu"),
        (f"[p] b = Clip (a, zero, six) {SECOND}", "Clip p: only through Relu"),
        (f"[p] b = HardSwish (a) {SECOND}", "HardSwish p: only through Relu"),
        ("[second] y = Conv (a, w2, b2)", "no Relu stands between it and Conv second"),
        (
            f"[p] b = Relu (a) {SECOND} [q] z = Neg (b)",
            "b has not one reader but Conv second, Neg q",
        ),
        (f"[p] z = Relu (a) [q] b = Identity (z) {SECOND}", "z is an output of the graph"),
    ],
)
def test_it_is_left_alone_where(between: str, reason: str) -> None:
    answers = "float[N, C, H, W] y" + (", float[N, D, I, J] z" if " z = " in between else "")
    body = between.replace("{SAME_UPPER}", '"SAME_UPPER"')
    if "Flatten" in body:
        body, answers = body.replace(SECOND, ""), "float[K, L] b"
    model = make(body, answers=answers)
    before = weights_of(model)
    found = absorb_high_biases(model, {"a": np.full(6, 2, np.float32)})
    assert not found.absorbed
    assert found.refused[0].first == "first"
    assert reason in found.refused[0].reason
    for name, array in weights_of(model).items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(
    ("floors", "reason"),
    [
        ({}, "no floors of a tell what stays above zero"),
        ({"a": np.array([0, 0, -1, -2, -3, 0])}, "every channel of a falls to zero or below"),
    ],
)
def test_it_is_left_alone_where_floors_do_not_tell(
    floors: dict[str, np.ndarray], reason: str
) -> None:
    model = make(f"b = Relu (a) {SECOND}")
    found = absorb_high_biases(model, {n: a.astype(np.float32) for n, a in floors.items()})
    assert not found.absorbed
    assert found.refused[0].reason == reason


@pytest.mark.parametrize("floors", [np.ones(5), np.full(6, np.nan)], ids=["5 numbers", "NaN"])
def test_floors_must_be_one_number_a_channel(floors: np.ndarray) -> None:
    model = make(f"b = Relu (a) {SECOND}")
    with pytest.raises(ValueError, match=r"of a \(.*expected \(6,\) without NaN"):
        absorb_high_biases(model, {"a": floors.astype(np.float32)})


def test_sums_without_biases_get_them() -> None:
    # Inputs above zero and weights above zero: the sum never reaches down to zero.
    weights = {"w1": np.abs(weight(6, 3, 1, 1, seed=1)), "w2": weight(5, 6, 1, 1, seed=2)}
    model = network("[first] a = Conv (x, w1) b = Relu (a) [second] y = Conv (b, w2)", weights)
    x = 1 + np.abs(inputs())
    before = compute(model, "y", x)
    absorb_high_biases(model, floors_of(model, x))
    assert_same(compute(model, "y", x), before)
    assert {"first.bias", "second.bias"} <= set(weights_of(model))


def test_a_bias_that_both_sums_share_is_changed_for_each() -> None:
    weights = {"w2": weight(6, 6, 1, 1, seed=3)}
    model = make("b = Relu (a) [second] y = Conv (b, w2, b1)", weights)
    x = bounded()
    before = compute(model, "y", x)
    assert absorb_high_biases(model, floors_of(model, x)).absorbed
    assert_same(compute(model, "y", x), before)
