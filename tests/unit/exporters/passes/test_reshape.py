from __future__ import annotations

import pytest
from unit.exporters.passes.support import apply

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.passes.reshape import FixReshape
from edgecnn_exporters.passes.sizes import FoldSizes

CONSTANTS = """int64[3] any = {-1, 6, 2}, int64[3] zero = {0, 6, 2}, int64[2] half = {-1, 6},
 int64[1] minus = {-1}, int64[1] four = {4}, int64[2] six_two = {6, 2}, int64[1] axis0 = {0},
 int64[1] axis1 = {1}, int64 first = {0}, int64 second = {1}, int64[1] end = {-3},
 int64[2] outer = {0, 1}"""


def graph(body: str, output: str = "float[N, 6, 2] y") -> str:
    return f"g (float[N, 3, 2, 2] x) => ({output}) <{CONSTANTS}> {{ {body} }}"


def target(found) -> list[int]:  # type: ignore[no-untyped-def]
    reshape = next(node for node in found.model.graph if node.op_type == "Reshape")
    return list(constant(reshape.inputs[1]))


@pytest.mark.parametrize(
    "body",
    [
        "y = Reshape (x, any)",
        "y = Reshape <allowzero = 1> (x, any)",
        "s = Shape (x) b = Gather (s, first) u = Unsqueeze (b, axis0) "
        "t = Concat <axis = 0> (u, six_two) y = Reshape (x, t)",
        "s = Shape <end = 1> (x) t = Concat <axis = 0> (s, six_two) y = Reshape (x, t)",
        "r = Relu (x) s = Shape (r) b = Slice (s, axis0, end) "
        "t = Concat <axis = 0> (b, six_two) y = Reshape (x, t)",
    ],
)
def test_a_reshape_that_keeps_the_batch_gets_a_constant_target(body: str) -> None:
    found = apply(FixReshape, graph(body))
    assert target(found) == [0, 6, 2]
    assert found.modified


def test_an_extent_left_open_beside_the_batch_stays_open() -> None:
    body = "s = Shape <end = 1> (x) t = Concat <axis = 0> (s, four, minus) y = Reshape (x, t)"
    assert target(apply(FixReshape, graph(body, "float[N, 4, M] y"))) == [0, 4, -1]


@pytest.mark.parametrize(
    ("body", "output"),
    [
        ("y = Reshape (x, zero)", "float[N, 6, 2] y"),
        ("y = Reshape (x, half)", "float[M, 6] y"),
        (
            "s = Shape <start = 1> (x) c = Gather (s, axis0) t = Concat <axis = 0> (c, minus) "
            "y = Reshape (x, t)",
            "float[A, B] y",
        ),
        (
            "s = Shape <end = 1> (x) t = Concat <axis = 0> (minus, s) y = Reshape (x, t)",
            "float[12, N] y",
        ),
        (
            "s = Shape (x) b = Gather (s, axis0) d = Add (b, b) t = Concat <axis = 0> (d, minus) "
            "y = Reshape (x, t)",
            "float[M, 6] y",
        ),
    ],
    ids=["already so", "splits the batch", "another axis", "moves the batch", "twice the batch"],
)
def test_it_is_left_alone_where(body: str, output: str) -> None:
    assert not apply(FixReshape, graph(body, output)).modified


@pytest.mark.parametrize(
    "body",
    [
        "s = Shape (x) y = Gather (s, second)",
        "s = Shape <start = 1> (x) y = Gather (s, first)",
    ],
)
def test_the_size_of_a_static_axis_becomes_a_constant(body: str) -> None:
    found = apply(FoldSizes, graph(f"{body.replace('y =', 'z =')} y = Neg (z)", "int64 y"))
    assert "Gather" not in found.operators
    assert found.modified


def test_a_slice_of_static_axes_becomes_a_constant() -> None:
    body = "s = Shape (x) z = Slice (s, axis1, end_2) y = Neg (z)"
    text = graph(body, "int64[2] y").replace("int64 first", "int64[1] end_2 = {3}, int64 first")
    assert "Slice" not in apply(FoldSizes, text).operators


@pytest.mark.parametrize(
    ("body", "output"),
    [
        ("s = Shape (x) z = Gather (s, first) y = Neg (z)", "int64 y"),
        ("s = Shape (x) z = Gather (s, outer) y = Neg (z)", "int64[2] y"),
        ("s = Shape (x) y = Gather (s, second)", "int64 y"),
    ],
    ids=["the batch", "the batch among others", "an output of the graph"],
)
def test_sizes_that_stay(body: str, output: str) -> None:
    assert not apply(FoldSizes, graph(body, output)).modified
