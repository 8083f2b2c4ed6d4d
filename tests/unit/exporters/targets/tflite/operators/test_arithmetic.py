from __future__ import annotations

import numpy as np
import pytest
from unit.exporters.targets.tflite.support import check, read

RANDOM = np.random.default_rng(0)
KNOWN = {
    "scalar": np.array(2.5, np.float32),
    "single": np.array([2.5], np.float32),
    "channels": RANDOM.uniform(1, 2, (3, 1, 1)).astype(np.float32),
    "four": RANDOM.uniform(1, 2, (1, 3, 1, 1)).astype(np.float32),
    "columns": RANDOM.uniform(1, 2, 5).astype(np.float32),
    "image": RANDOM.uniform(1, 2, (3, 4, 5)).astype(np.float32),
    "integers": np.array(2, np.int64),
}
IMAGE = "g (float[1, 3, 4, 5] x) => (float[N, C, H, W] y)"


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("name", ["scalar", "single", "channels", "four", "columns", "image"])
@pytest.mark.parametrize("is_first", [True, False], ids=["constant first", "constant last"])
def test_a_constant_is_broadcast(operator: str, name: str, is_first: bool) -> None:
    inputs = f"{name}, a" if is_first else f"a, {name}"
    # Away from zero, where a quotient would have no bound.
    text = f"{IMAGE} {{ s = Sigmoid (x) a = Add (s, one) y = {operator} ({inputs}) }}"
    one = {"one": np.array(1, np.float32)}
    found = check(text, {name: KNOWN[name], **one})
    assert read(found).codes == ["LOGISTIC", "ADD", operator.upper()]


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul"])
@pytest.mark.parametrize(
    "body",
    [
        "m = GlobalAveragePool (x) y = {} (x, m)",
        "m = GlobalAveragePool (x) y = {} (m, x)",
        "m = ReduceMean <keepdims = 1> (x, axis) y = {} (x, m)",
        "m = ReduceMax <keepdims = 0> (x, first) y = {} (m, x)",
        "r = Relu (x) y = {} (x, r)",
        "y = {} (x, x)",
    ],
)
def test_computed_numbers_are_broadcast(operator: str, body: str) -> None:
    known = {"axis": np.array([1]), "first": np.array([0])}
    used = {name: array for name, array in known.items() if f" {name})" in body}
    found = check(f"{IMAGE} {{ {body.format(operator)} }}", used)
    assert found.transposes == 0


@pytest.mark.parametrize(
    ("body", "operators"),
    [
        ("y = Max (x, channels)", ["MAXIMUM"]),
        ("y = Min (x, channels, scalar)", ["MINIMUM", "MINIMUM"]),
        ("y = Sum (x, channels, image)", ["ADD", "ADD"]),
        ("y = Sum (x)", ["RESHAPE"]),
        ("a = Abs (x) y = Pow (a, scalar)", ["ABS", "POW"]),
        ("y = Pow (x, integers)", ["POW"]),
    ],
)
def test_extremes_sums_and_powers(body: str, operators: list[str]) -> None:
    used = {n: a for n, a in KNOWN.items() if f" {n})" in body or f" {n}," in body}
    assert read(check(f"{IMAGE} {{ {body} }}", used)).codes == operators


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div"])
def test_an_activation_behind_it_is_computed_with_it(operator: str) -> None:
    text = f"{IMAGE} {{ a = {operator} (x, scalar) y = Relu (a) }}"
    (step,) = read(check(text, {"scalar": KNOWN["scalar"]})).steps
    assert step.options.fusedActivationFunction == 1
