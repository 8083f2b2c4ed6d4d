from __future__ import annotations

import pytest
from unit.exporters.passes.support import apply

from edgecnn_exporters.passes.flatten import CanonicaliseFlatten

CONSTANTS = """int64[2] zero_rest = {0, -1}, int64[2] zero_12 = {0, 12}, int64[2] any_12 = {-1, 12},
 int64[2] any_6 = {-1, 6}, int64[2] two_rest = {2, -1}, int64[3] three = {0, 3, -1},
 int64[1] minus = {-1}, int64[1] twelve = {12}, int64[1] axis0 = {0}, int64 first = {0},
 int64[2] last_two = {2, 3}"""


def graph(body: str, output: str = "float[N, 12] y", batch: str = "N") -> str:
    return f"g (float[{batch}, 3, 2, 2] x) => ({output}) <{CONSTANTS}> {{ {body} }}"


SHAPE = "s = Shape (x) b = Gather (s, first) u = Unsqueeze (b, axis0)"


@pytest.mark.parametrize(
    "body",
    [
        "y = Reshape (x, zero_rest)",
        "y = Reshape (x, zero_12)",
        "y = Reshape (x, any_12)",
        f"{SHAPE} t = Concat <axis = 0> (u, minus) y = Reshape (x, t)",
        f"{SHAPE} t = Concat <axis = 0> (u, twelve) y = Reshape (x, t)",
        "s = Shape <end = 1> (x) t = Concat <axis = 0> (s, minus) y = Reshape (x, t)",
        "a = Flatten (x) y = Flatten (a)",
        "a = Reshape (x, zero_rest) y = Flatten (a)",
    ],
)
def test_joining_all_but_the_batch_becomes_a_flatten(body: str) -> None:
    found = apply(CanonicaliseFlatten, graph(body))
    assert found.operators[-1] == "Flatten"
    assert found.operators.count("Flatten") == 1
    assert "Reshape" not in found.operators
    assert found.modified


def test_a_fixed_batch_may_be_named() -> None:
    found = apply(
        CanonicaliseFlatten, graph("y = Reshape (x, two_rest)", "float[2, 12] y", batch="2")
    )
    assert found.operators == ["Flatten"]


def test_squeezing_a_map_of_one_pixel_becomes_a_flatten() -> None:
    body = "p = GlobalAveragePool (x) y = Squeeze (p, last_two)"
    found = apply(CanonicaliseFlatten, graph(body, "float[N, 3] y"))
    assert found.operators == ["GlobalAveragePool", "Flatten"]


@pytest.mark.parametrize(
    ("body", "output"),
    [
        ("y = Reshape (x, any_6)", "float[M, 6] y"),
        ("y = Reshape (x, two_rest)", "float[2, 12] y"),
        ("y = Reshape (x, three)", "float[N, 3, 4] y"),
        ("y = Reshape <allowzero = 1> (x, any_6)", "float[M, 6] y"),
        ("y = Flatten <axis = 2> (x)", "float[M, 4] y"),
        ("a = Flatten <axis = 0> (x) y = Flatten (a)", "float[1, M] y"),
        (
            "s = Shape (x) b = Gather (s, axis0) t = Concat <axis = 0> (minus, b) "
            "y = Reshape (x, t)",
            "float[12, N] y",
        ),
    ],
)
def test_what_splits_or_moves_the_batch_is_left_alone(body: str, output: str) -> None:
    assert not apply(CanonicaliseFlatten, graph(body, output)).modified
