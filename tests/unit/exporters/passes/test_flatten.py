from __future__ import annotations

import pytest
from unit.exporters.passes.support import apply

from edgecnn_exporters.passes.flatten import CanonicaliseFlatten

CONSTANTS = """int64[2] zero_rest = {0, -1}, int64[2] zero_12 = {0, 12}, int64[2] any_12 = {-1, 12},
 int64[2] any_6 = {-1, 6}, int64[2] two_rest = {2, -1}, int64[3] three = {0, 3, -1},
 int64[3] moves = {3, -1, 4}, int64[1] axis0 = {0}, int64[1] last = {-1}, int64[1] third = {2},
 int64[2] last_two = {2, 3}"""


def graph(body: str, output: str = "float[N, 12] y", batch: str = "N") -> str:
    return f"g (float[{batch}, 3, 2, 2] x) => ({output}) <{CONSTANTS}> {{ {body} }}"


@pytest.mark.parametrize(
    "body",
    [
        "y = Reshape (x, zero_rest)",
        "y = Reshape (x, zero_12)",
        "y = Reshape (x, any_12)",
        "y = Flatten <axis = -3> (x)",
        "a = Flatten (x) y = Flatten (a)",
        "a = Reshape (x, zero_rest) y = Flatten (a)",
        "a = Reshape (x, three) y = Flatten (a)",
        "a = Reshape (x, three) b = Unsqueeze (a, last_two) y = Flatten (b)",
    ],
)
def test_joining_all_but_the_batch_becomes_a_flatten(body: str) -> None:
    found = apply(CanonicaliseFlatten, graph(body))
    assert found.operators == ["Flatten"]
    (flatten,) = found.model.graph
    assert flatten.attributes.get_int("axis", 1) == 1
    assert found.modified


def test_a_flatten_of_what_is_flat_goes() -> None:
    text = "g (float[N, 3] x) => (float[N, 3] y) { a = Relu (x) b = Flatten (a) y = Neg (b) }"
    assert apply(CanonicaliseFlatten, text).operators == ["Relu", "Neg"]


def test_a_fixed_batch_may_be_named() -> None:
    found = apply(
        CanonicaliseFlatten, graph("y = Reshape (x, two_rest)", "float[2, 12] y", batch="2")
    )
    assert found.operators == ["Flatten"]


def test_squeezing_a_map_of_one_pixel_becomes_a_flatten() -> None:
    for squeeze in (
        "y = Squeeze (p, last_two)",
        "a = Squeeze (p, last) y = Squeeze (a, last)",
        "a = Squeeze (p, third) y = Squeeze (a, third)",
    ):
        body = f"p = GlobalAveragePool (x) {squeeze}"
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
        ("a = Reshape (x, moves) y = Flatten (a)", "float[3, M] y"),
        ("a = Unsqueeze (x, axis0) y = Flatten (a)", "float[1, M] y"),
    ],
)
def test_what_splits_or_moves_the_batch_is_left_alone(body: str, output: str) -> None:
    assert not apply(CanonicaliseFlatten, graph(body, output)).modified


def test_what_another_node_reads_before_the_flatten_stays() -> None:
    body = "a = Reshape (x, three) z = Neg (a) y = Flatten (a)"
    found = apply(CanonicaliseFlatten, graph(body, "float[N, 12] y, float[N, 3, 4] z"))
    assert found.operators == ["Reshape", "Neg", "Flatten"]
    assert not found.modified
