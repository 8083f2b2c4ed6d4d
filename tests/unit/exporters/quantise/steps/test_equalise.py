from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.quantise.chain_support import (
    FIRST,
    SECOND,
    assert_same,
    compute,
    inputs,
    network,
    weight,
    weights_of,
)

from edgecnn_exporters.quantise.steps.equalise import equalise
from edgecnn_runtime.encoding import quantise_weight, weight_scales


def ranges(array: np.ndarray, axis: int) -> np.ndarray:
    return np.abs(array).max(axis=tuple(i for i in range(array.ndim) if i != axis))


@pytest.mark.parametrize(
    "between",
    [
        "b = Relu (a)",
        "b = LeakyRelu <alpha = 0.1> (a)",
        "b = PRelu (a, slope)",
        "b = PRelu (a, slope1)",
        "b = Clip (a, zero)",
        "c = Relu (a) b = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (c)",
        "c = MaxPool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (a) b = Relu (c)",
        """c = Relu (a)
           b = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1> (c)
        """,
        "c = Relu (a) b = GlobalAveragePool (c)",
        "c = LeakyRelu (a) b = Pad (c, edges)",
        "c = LeakyRelu (a) b = Pad (c, edges, zero)",
        'c = Relu (a) b = Pad <mode = "reflect"> (c, edges)',
        'c = Relu (a) b = Pad <mode = "edge"> (c, sides, , at_end)',
    ],
)
def test_the_function_stays_and_the_ranges_become_equal(between: str) -> None:
    model = network(f"{FIRST} {between} {SECOND}")
    before = compute(model, "y", inputs())
    found = equalise(model)
    assert_same(compute(model, "y", inputs()), before)
    after = weights_of(model)
    np.testing.assert_allclose(ranges(after["w1"], 0), ranges(after["w2"], 1), rtol=1e-5)
    assert [(pair.first, pair.second) for pair in found.equalised] == [("first", "second")]
    assert [refused.first for refused in found.refused] == ["second"]


def test_without_an_activation_two_sums_are_equalised_too() -> None:
    model = network(f"{FIRST} [second] y = Conv (a, w2, b2)")
    before = compute(model, "y", inputs())
    equalise(model)
    assert_same(compute(model, "y", inputs()), before)
    after = weights_of(model)
    np.testing.assert_allclose(ranges(after["w1"], 0), ranges(after["w2"], 1), rtol=1e-5)


def test_the_scale_is_the_root_of_the_ratio_of_the_ranges() -> None:
    model = network(
        "[first] a = Conv (x, w1, b1) b = Relu (a) [second] y = Conv (b, w2)",
        {
            "w1": np.array([8, -0.5, 3], np.float32).reshape(3, 1, 1, 1),
            "b1": np.array([1, 2, 3], np.float32),
            "w2": np.array([[2, 1, -3], [-1, 2, 1]], np.float32).reshape(2, 3, 1, 1),
        },
        reads="float[N, 1, 2, 2] x",
    )
    found = equalise(model)
    after = weights_of(model)
    # r1 = (8, 0.5, 3) and r2 = (2, 2, 3), so s = (2, 0.5, 1).
    np.testing.assert_allclose(after["w1"].ravel(), [4, -1, 3], rtol=1e-6)
    np.testing.assert_allclose(after["b1"], [0.5, 4, 3], rtol=1e-6)
    np.testing.assert_allclose(after["w2"].reshape(2, 3), [[4, 0.5, -3], [-2, 1, 1]], rtol=1e-6)
    (pair,) = found.equalised
    assert (pair.channels, pair.ratio) == (2, pytest.approx(2))


def chain(multiplier: int) -> ir.Model:
    outputs = 6 * multiplier
    weights = {
        "dw": weight(outputs, 1, 3, 3, seed=5),
        "db": weight(outputs, seed=6),
        "pw": weight(5, outputs, 1, 1, seed=7),
    }
    return network(
        f"""{FIRST} b = Relu (a)
        [depthwise] c = Conv <group = 6, pads = [1, 1, 1, 1]> (b, dw, db) d = Relu (c)
        [pointwise] y = Conv (d, pw)""",
        weights,
    )


@pytest.mark.parametrize("multiplier", [1, 2, 3])
def test_along_a_depthwise_chain_all_ranges_become_equal(multiplier: int) -> None:
    model = chain(multiplier)
    before = compute(model, "y", inputs())
    found = equalise(model)
    assert_same(compute(model, "y", inputs()), before)
    after = weights_of(model)
    incoming = np.abs(after["dw"]).reshape(6, -1).max(axis=1)
    np.testing.assert_allclose(ranges(after["w1"], 0), incoming, rtol=2e-3)
    np.testing.assert_allclose(ranges(after["dw"], 0), ranges(after["pw"], 1), rtol=2e-3)
    assert found.is_settled
    assert [pair.first for pair in found.equalised] == ["first", "depthwise"]


def test_a_second_time_nothing_is_left_to_do() -> None:
    model = chain(2)
    equalise(model)
    once = weights_of(model)
    found = equalise(model)
    for name, array in weights_of(model).items():
        np.testing.assert_allclose(array, once[name], rtol=2e-3)
    assert all(pair.ratio < 1.002 for pair in found.equalised)


def test_a_chain_too_long_for_the_sweeps_is_said_not_to_have_settled() -> None:
    names = [f"w{index}" for index in range(40)]
    body = " ".join(f"v{i + 1} = Conv (v{i}, {name})" for i, name in enumerate(names))
    weights = {name: np.full((1, 1, 1, 1), 1, np.float32) for name in names}
    weights["w0"] *= 1e5
    model = network(body, weights, reads="float[N, 1, 2, 2] v0", answers="float[N, C, H, W] v40")
    before = compute(model, "v40", inputs(1, 1, 2, 2))
    assert not equalise(model).is_settled
    assert_same(compute(model, "v40", inputs(1, 1, 2, 2)), before)


@pytest.mark.parametrize("groups", [2, 3])
def test_a_second_conv_in_groups_is_equalised_within_each(groups: int) -> None:
    weights = {"wg": weight(12, 6 // groups, 3, 3, seed=5)}
    model = network(f"{FIRST} b = Relu (a) [second] y = Conv <group = {groups}> (b, wg)", weights)
    before = compute(model, "y", inputs())
    equalise(model)
    assert_same(compute(model, "y", inputs()), before)
    after = weights_of(model)
    by_group = after["wg"].reshape(groups, 12 // groups, 6 // groups, 9)
    incoming = np.abs(by_group).max(axis=(1, 3)).ravel()
    np.testing.assert_allclose(ranges(after["w1"], 0), incoming, rtol=1e-5)


def test_a_first_conv_in_groups_is_equalised_by_its_outputs() -> None:
    body = f"[first] a = Conv <group = 3> (x, wg) b = Relu (a) {SECOND}"
    model = network(body, {"wg": weight(6, 1, 3, 3, seed=5)})
    before = compute(model, "y", inputs())
    equalise(model)
    assert_same(compute(model, "y", inputs()), before)
    after = weights_of(model)
    np.testing.assert_allclose(ranges(after["wg"], 0), ranges(after["w2"], 1), rtol=1e-5)


@pytest.mark.parametrize(
    ("between", "columns"),
    [("c = GlobalAveragePool (b) d = Flatten (c)", 1), ("d = Flatten (b)", 64)],
    ids=["one column a channel", "one block of columns a channel"],
)
def test_a_conv_and_the_gemm_behind_a_flatten_are_equalised(between: str, columns: int) -> None:
    weights = {"wf": weight(7, 6 * columns, seed=5), "bf": weight(7, seed=6)}
    model = network(
        f"{FIRST} b = Relu (a) {between} [second] y = Gemm <transB = 1> (d, wf, bf)",
        weights,
        answers="float[N, C] y",
    )
    before = compute(model, "y", inputs())
    equalise(model)
    assert_same(compute(model, "y", inputs()), before)
    after = weights_of(model)
    incoming = np.abs(after["wf"]).reshape(7, 6, columns).max(axis=(0, 2))
    np.testing.assert_allclose(ranges(after["w1"], 0), incoming, rtol=1e-5)


def test_two_gemms_are_equalised() -> None:
    weights = {"w1": weight(6, 3, seed=1), "b1": weight(6, seed=2), "w2": weight(5, 6, seed=3)}
    model = network(
        """[first] a = Gemm <transB = 1> (x, w1, b1) b = Relu (a)
        [second] y = Gemm <transB = 1> (b, w2)""",
        weights,
        reads="float[N, 3] x",
        answers="float[N, C] y",
    )
    before = compute(model, "y", inputs(4, 3))
    equalise(model)
    assert_same(compute(model, "y", inputs(4, 3)), before)
    after = weights_of(model)
    np.testing.assert_allclose(ranges(after["w1"], 0), ranges(after["w2"], 1), rtol=1e-5)


def per_tensor_error(model: ir.Model, name: str) -> float:
    """Relative error of y when this weight alone is held in 8 bits of one scale."""
    exact = compute(model, "y", inputs())
    kept = weights_of(model)[name]
    rounded = quantise_weight(kept, weight_scales(kept, None), 0).dequantise()
    model.graph.initializers[name].const_value = ir.tensor(rounded, name=name)
    found = compute(model, "y", inputs())
    model.graph.initializers[name].const_value = ir.tensor(kept, name=name)
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def test_one_scale_for_a_whole_depthwise_weight_becomes_good_enough() -> None:
    spread = np.array([1e-2, 1e-1, 1, 1e1, 1e2, 1e-2], np.float32)
    random = np.random.default_rng(0)
    weights = {
        "w1": random.uniform(-1, 1, (6, 3, 1, 1)).astype(np.float32),
        "dw": spread.reshape(6, 1, 1, 1) * random.uniform(-1, 1, (6, 1, 3, 3)).astype(np.float32),
        # Every channel matters as much in the end.
        "pw": random.uniform(-1, 1, (5, 6, 1, 1)).astype(np.float32) / spread.reshape(1, 6, 1, 1),
    }
    model = network(
        """[first] a = Conv (x, w1) b = Relu (a) [depthwise] c = Conv <group = 6> (b, dw)
        d = Relu (c) [pointwise] y = Conv (d, pw)""",
        weights,
    )
    before = {name: per_tensor_error(model, name) for name in ("dw", "pw")}
    equalise(model)
    assert before["dw"] > 0.3
    assert before["pw"] > 0.3
    assert per_tensor_error(model, "dw") < 0.02
    assert per_tensor_error(model, "pw") < 0.02


def test_a_bias_that_another_sum_shares_is_only_changed_for_one() -> None:
    body = f"{FIRST} b = Relu (a) {SECOND} [other] z = Conv (x, w3, b1)"
    answers = "float[N, C, H, W] y, float[N, D, I, J] z"
    model = network(body, {"w3": weight(6, 3, 1, 1, seed=8)}, answers=answers)
    before = {name: compute(model, name, inputs()) for name in ("y", "z")}
    found = equalise(model)
    assert found.equalised
    for name, expected in before.items():
        assert_same(compute(model, name, inputs()), expected)


def test_a_model_without_sums_is_left_alone() -> None:
    model = network("y = Relu (x)")
    found = equalise(model)
    assert (found.equalised, found.refused, found.is_settled) == ((), (), True)
