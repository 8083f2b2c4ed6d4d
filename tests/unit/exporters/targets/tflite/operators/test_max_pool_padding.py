"""What a MaxPool is padded with: zero where nothing is below it, for XNNPACK has that PAD alone."""

from __future__ import annotations

import pytest
from unit.exporters.targets.tflite.support import check, read

POOL = "y = MaxPool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]>"


def graph(body: str) -> str:
    return f"g (float[1, 2, 8, 8] x) => (float[1, 2, 4, 4] y) {{ {body} }}"


def test_behind_a_relu_it_is_padded_with_zero() -> None:
    found = check(graph(f"r = Relu (x) {POOL} (r)"))
    assert read(found).codes == ["RELU", "PAD", "MAX_POOL_2D"]


@pytest.mark.parametrize("before", ["r = Identity (x)", "r = LeakyRelu (x)"])
def test_where_numbers_may_be_negative_it_is_padded_with_less(before: str) -> None:
    found = check(graph(f"{before} n = Neg (r) {POOL} (n)"))
    assert "PADV2" in read(found).codes


def test_of_negative_numbers_alone_the_border_is_not_zero() -> None:
    found = check(graph(f"a = Abs (x) n = Neg (a) {POOL} (n)"))
    assert read(found).codes == ["ABS", "NEG", "PADV2", "MAX_POOL_2D"]
