from __future__ import annotations

import pytest
from unit.exporters.passes.support import apply, by_onnxruntime

from edgecnn_exporters.passes.padding.max_pool import JoinPadToMaxPool

POOL = "y = MaxPool <kernel_shape = [3, 3], strides = [2, 2]"
PADS = {
    "edges": [0, 0, 0, 1, 0, 0, 1, 2],
    "channels": [0, 1, 0, 0, 0, 0, 0, 0],
    "large": [0, 0, 3, 0, 0, 0, 0, 0],
    "cut": [0, 0, -1, 0, 0, 0, 0, 0],
}


def graph(body: str, fill: str = "-inf") -> str:
    given = ", ".join(
        f"int64[8] {name} = {{{', '.join(map(str, pads))}}}" for name, pads in PADS.items()
    )
    return f"""g (float[N, 3, 7, 8] x) => (float[N, c, h, w] y)
    <{given}, int64[4] some = {{1, 0, 0, 1}}, int64[2] axes = {{2, -1}}, float fill = {{{fill}}}>
    {{ {body} }}"""


@pytest.mark.parametrize("fill", ["-inf", "-3.4028234663852886e+38"])
@pytest.mark.parametrize(
    ("body", "pads"),
    [
        (f"a = Pad (x, edges, fill) {POOL}> (a)", [0, 1, 1, 2]),
        (f"a = Pad (x, some, fill, axes) {POOL}> (a)", [1, 0, 0, 1]),
        (f"a = Pad (x, some, fill, axes) {POOL}, pads = [1, 1, 0, 0]> (a)", [2, 1, 0, 1]),
        (
            "a = Pad (x, edges, fill) y = MaxPool <kernel_shape = [3, 3], dilations = [2, 1]> (a)",
            [0, 1, 1, 2],
        ),
    ],
)
def test_padding_with_minus_infinity_becomes_the_pools_own(
    body: str, pads: list[int], fill: str
) -> None:
    found = apply(JoinPadToMaxPool, graph(body, fill), evaluate=by_onnxruntime)
    assert found.operators == ["MaxPool"]
    (pool,) = found.model.graph
    assert list(pool.attributes.get_ints("pads", [])) == pads


@pytest.mark.parametrize(
    "body",
    [
        f"a = Pad (x, channels, fill) {POOL}> (a)",
        f"a = Pad (x, large, fill) {POOL}> (a)",
        f"a = Pad (x, cut, fill) {POOL}> (a)",
        f"a = Pad (x, edges, fill) {POOL}, ceil_mode = 1> (a)",
        f'a = Pad (x, edges, fill) {POOL}, auto_pad = "SAME_UPPER"> (a)',
        "a = Pad (x, edges, fill) b = MaxPool <kernel_shape = [3, 3]> (a) "
        "c = MaxPool <kernel_shape = [3, 3]> (a) y = Add (b, c)",
    ],
)
def test_padding_that_is_not_only_the_pools_is_left(body: str) -> None:
    assert not apply(JoinPadToMaxPool, graph(body), evaluate=by_onnxruntime).modified


@pytest.mark.parametrize("fill", ["0", "-1e30"])
def test_padding_with_a_number_is_left(fill: str) -> None:
    body = f"a = Pad (x, edges, fill) {POOL}> (a)"
    assert not apply(JoinPadToMaxPool, graph(body, fill), evaluate=by_onnxruntime).modified
