from __future__ import annotations

import pytest
from unit.exporters.passes.support import apply

from edgecnn_exporters.passes.graph import scalar
from edgecnn_exporters.passes.relu6 import CanonicaliseRelu6

CONSTANTS = """float zero = {0.0}, float six = {6.0}, float[1] six1 = {6.0}, float one = {1.0},
 float[1, 1, 1] deep = {6.0}"""


def graph(body: str, outputs: str = "float[N, 3] y") -> str:
    return f"g (float[N, 3] x) => ({outputs}) <{CONSTANTS}> {{ {body} }}"


@pytest.mark.parametrize(
    "body",
    [
        "y = Clip (x, zero, six)",
        "a = Max (x, zero) y = Min (a, six)",
        "a = Max (zero, x) y = Min (six, a)",
        "a = Min (x, six) y = Max (a, zero)",
        "a = Min (six1, x) y = Max (zero, a)",
        "a = Relu (x) y = Min (a, six)",
        "a = Relu (x) y = Clip (a, zero, six)",
        "a = Relu (x) y = Clip (a, , six)",
        "a = Clip (x, , six) y = Relu (a)",
        "a = Clip (x, zero, six) y = Relu (a)",
    ],
)
def test_every_spelling_becomes_one_clip(body: str) -> None:
    found = apply(CanonicaliseRelu6, graph(body))
    assert found.operators == ["Clip"]
    assert found.modified
    (clip,) = found.model.graph
    assert [value.name for value in clip.inputs[1:]] == ["relu6.min", "relu6.max"]
    assert [scalar(value) for value in clip.inputs[1:]] == [0.0, 6.0]


def test_bounds_are_shared() -> None:
    found = apply(
        CanonicaliseRelu6,
        graph("a = Clip (x, zero, six) b = Neg (a) c = Relu (b) y = Min (c, six)"),
    )
    assert found.operators == ["Clip", "Neg", "Clip"]
    bounds = {value.name for node in found.model.graph for value in node.inputs[1:] if value}
    assert bounds == {"relu6.min", "relu6.max"}


@pytest.mark.parametrize(
    "body",
    [
        "y = Relu (x)",
        "y = Clip (x, zero, one)",
        "y = Clip (x, zero)",
        "y = Clip (x, , six)",
        "y = Min (x, six)",
        "s = ReduceMax <keepdims = 0> (x) y = Clip (x, zero, s)",
        "a = Relu (x) y = Min (a, x)",
        "a = Max (x, one) y = Min (a, six)",
    ],
)
def test_other_bounds_are_left_alone(body: str) -> None:
    assert not apply(CanonicaliseRelu6, graph(body)).modified


def test_an_inner_node_with_a_second_reader_is_left_alone() -> None:
    body = "a = Relu (x) y = Min (a, six) z = Neg (a)"
    found = apply(CanonicaliseRelu6, graph(body, "float[N, 3] y, float[N, 3] z"))
    assert found.operators == ["Relu", "Min", "Neg"]
    assert not found.modified


def test_a_bound_that_adds_axes_is_left_alone() -> None:
    found = apply(CanonicaliseRelu6, graph("a = Relu (x) y = Min (a, deep)", "float[1, N, 3] y"))
    assert found.operators == ["Relu", "Min"]
    assert not found.modified


def test_each_precision_has_its_own_bounds() -> None:
    found = apply(
        CanonicaliseRelu6,
        f"""g (float[N, 3] x) => (float[N, 3] y, double[N, 3] z)
        <{CONSTANTS}, double zero64 = {{0.0}}, double six64 = {{6.0}}>
        {{ y = Clip (x, zero, six) d = Cast <to = 11> (x) z = Clip (d, zero64, six64) }}""",
    )
    assert found.operators == ["Clip", "Cast", "Clip"]
