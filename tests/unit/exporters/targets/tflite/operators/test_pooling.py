from __future__ import annotations

import pytest
from unit.exporters.targets.tflite.support import by_onnxruntime, canonical, check, parse, read

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.targets.tflite.write import write_tflite

# Operator, attributes, size, and the operators that compute it.
POOLS: dict[str, tuple[str, str, str, list[str]]] = {
    "max": ("MaxPool", "kernel_shape = [2, 2], strides = [2, 2]", "1, 3, 6, 8", ["MAX_POOL_2D"]),
    "max of a rest": (
        "MaxPool",
        "kernel_shape = [2, 2], strides = [2, 2]",
        "1, 3, 7, 9",
        ["MAX_POOL_2D"],
    ),
    "max, SAME": (
        "MaxPool",
        "kernel_shape = [3, 3], pads = [1, 1, 1, 1]",
        "1, 3, 6, 6",
        ["MAX_POOL_2D"],
    ),
    "max, padded": (
        "MaxPool",
        "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]",
        "1, 3, 8, 8",
        ["PADV2", "MAX_POOL_2D"],
    ),
    "max, ceil": (
        "MaxPool",
        "kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1",
        "1, 3, 8, 8",
        ["MAX_POOL_2D"],
    ),
    "max, ceil and padded": (
        "MaxPool",
        "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1], ceil_mode = 1",
        "1, 3, 8, 9",
        ["PADV2", "MAX_POOL_2D"],
    ),
    "max, auto": (
        "MaxPool",
        'kernel_shape = [3, 3], strides = [2, 2], auto_pad = "SAME_UPPER"',
        "1, 3, 8, 7",
        ["MAX_POOL_2D"],
    ),
    "average": (
        "AveragePool",
        "kernel_shape = [2, 3], strides = [2, 2]",
        "1, 3, 6, 9",
        ["AVERAGE_POOL_2D"],
    ),
    "average, SAME, padding left out": (
        "AveragePool",
        "kernel_shape = [3, 3], pads = [1, 1, 1, 1]",
        "1, 3, 6, 6",
        ["AVERAGE_POOL_2D"],
    ),
    "average, SAME, padding counted": (
        "AveragePool",
        "kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1",
        "1, 3, 6, 6",
        ["PAD", "AVERAGE_POOL_2D"],
    ),
    "average, padded, padding left out": (
        "AveragePool",
        "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]",
        "1, 3, 8, 8",
        ["PAD", "AVERAGE_POOL_2D", "MUL"],
    ),
    "average, padded, padding counted": (
        "AveragePool",
        "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1], count_include_pad = 1",
        "1, 3, 8, 8",
        ["PAD", "AVERAGE_POOL_2D"],
    ),
    "average, ceil, which is SAME": (
        "AveragePool",
        "kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1",
        "1, 3, 8, 8",
        None,
    ),
    "average, ceil, padding counted": (
        "AveragePool",
        "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1], ceil_mode = 1, "
        "count_include_pad = 1",
        "1, 3, 8, 8",
        ["PAD", "AVERAGE_POOL_2D", "MUL"],
    ),
    "average, asymmetric": (
        "AveragePool",
        "kernel_shape = [2, 2], pads = [1, 0, 0, 1]",
        "1, 3, 5, 5",
        None,
    ),
    "global average": ("GlobalAveragePool", "", "1, 3, 5, 6", ["MEAN"]),
    "global max": ("GlobalMaxPool", "", "1, 3, 5, 6", ["REDUCE_MAX"]),
}


@pytest.mark.parametrize("case", POOLS.values(), ids=POOLS.keys())
def test_pools(case: tuple[str, str, str, list[str] | None]) -> None:
    operator, attributes, size, operators = case
    said = f"<{attributes}>" if attributes else ""
    text = f"g (float[{size}] x) => (float[N, C, H, W] y) {{ y = {operator} {said} (x) }}"
    # ONNX's evaluator divides by the wrong number where ceil_mode goes beyond the padding.
    found = check(text, evaluate=by_onnxruntime)
    assert operators is None or read(found).codes == operators


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "g (float[1, 3, 6] x) => (float[N, C, L] y) { y = MaxPool <kernel_shape = [2]> (x) }",
            "its window has 1 axes, expected 2",
        ),
        (
            "g (float[1, 3, 6, 6] x) => (float[N, C, H, W] y) "
            "{ y = MaxPool <kernel_shape = [2, 2], dilations = [2, 2]> (x) }",
            "its window is dilated",
        ),
        (
            "g (float[1, 3, 6] x) => (float[N, C, L] y) { y = GlobalAveragePool (x) }",
            "only images with two axes are pooled",
        ),
    ],
)
def test_other_pools_are_refused(text: str, says: str) -> None:
    with pytest.raises(UnsupportedModel, match=rf"^y \(\w+\) cannot .*{says}"):
        write_tflite(canonical(parse(text)))


def test_the_places_of_the_largest_are_refused() -> None:
    text = """g (float[1, 3, 6, 6] x) => (float[N, C, H, W] y, int64[N, C, H, W] places)
    { y, places = MaxPool <kernel_shape = [2, 2]> (x) }"""
    with pytest.raises(UnsupportedModel, match=r"places holds INT64: .* compute in float32"):
        write_tflite(canonical(parse(text)))
