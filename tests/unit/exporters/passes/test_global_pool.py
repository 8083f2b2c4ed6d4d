from __future__ import annotations

import pytest
from unit.exporters.passes.support import apply

from edgecnn_exporters.passes.global_pool import CanonicaliseGlobalPool


def graph(body: str, output: str = "float[N, 3, 1, 1] y") -> str:
    return f"""g (float[N, 3, 4, 5] x) => ({output})
    <int64[2] hw = {{2, 3}}, int64[2] back = {{-1, -2}}, int64[1] h = {{2}},
     int64[1] w = {{-1}}, int64[1] c = {{1}},
     int64[2] cw = {{1, 3}}> {{ {body} }}"""


@pytest.mark.parametrize(
    "body",
    [
        "y = ReduceMean (x, hw)",
        "y = ReduceMean <keepdims = 1> (x, back)",
        "a = ReduceMean (x, w) y = ReduceMean (a, h)",
        "a = ReduceMean (x, h) y = ReduceMean (a, w)",
        "y = AveragePool <kernel_shape = [4, 5]> (x)",
        "y = AveragePool <kernel_shape = [4, 5], pads = [0, 0, 0, 0], strides = [4, 5]> (x)",
    ],
)
def test_averaging_the_whole_map_becomes_a_global_pool(body: str) -> None:
    found = apply(CanonicaliseGlobalPool, graph(body))
    assert found.operators == ["GlobalAveragePool"]
    assert found.modified


def test_axes_as_an_attribute_are_read() -> None:
    body = "y = ReduceMean <axes = [2, 3]> (x)"
    assert apply(CanonicaliseGlobalPool, graph(body), opset=13).operators == ["GlobalAveragePool"]


def test_axes_that_are_dropped_become_a_flatten() -> None:
    for body in (
        "y = ReduceMean <keepdims = 0> (x, hw)",
        "a = ReduceMean <keepdims = 0> (x, w) y = ReduceMean <keepdims = 0> (a, h)",
        "a = ReduceMean <keepdims = 0> (x, h) y = ReduceMean <keepdims = 0> (a, h)",
    ):
        found = apply(CanonicaliseGlobalPool, graph(body, "float[N, 3] y"))
        assert found.operators == ["GlobalAveragePool", "Flatten"]


@pytest.mark.parametrize(
    ("body", "output"),
    [
        ("y = ReduceMean (x, h)", "float[N, 3, 1, 5] y"),
        ("y = ReduceMean (x, cw)", "float[N, 1, 4, 1] y"),
        ("y = ReduceMean (x)", "float[1, 1, 1, 1] y"),
        ("a = ReduceMean (x, c) y = ReduceMean (a, h)", "float[N, 1, 1, 5] y"),
        ("a = ReduceMean <keepdims = 0> (x, w) y = ReduceMean (a, h)", "float[N, 3, 1] y"),
        ("y = AveragePool <kernel_shape = [4, 4]> (x)", "float[N, 3, 1, 2] y"),
        ("y = AveragePool <kernel_shape = [4, 5], pads = [1, 0, 0, 0]> (x)", "float[N, 3, 2, 1] y"),
    ],
)
def test_other_averages_are_left_alone(body: str, output: str) -> None:
    assert not apply(CanonicaliseGlobalPool, graph(body, output)).modified
