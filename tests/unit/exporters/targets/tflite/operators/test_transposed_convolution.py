from __future__ import annotations

import pytest
from unit.exporters.targets.tflite.support import by_onnxruntime, check, one, read, weights

# Size of the image, weight, attributes, channels, and the operators that compute it.
TRANSPOSED: dict[str, tuple[str, tuple[int, ...], str, int, list[str]]] = {
    "without padding": ("1, 3, 4, 5", (3, 4, 3, 3), "strides = [2, 2]", 4, ["TRANSPOSE_CONV"]),
    "SAME": ("1, 3, 4, 4", (3, 4, 3, 3), "pads = [1, 1, 1, 1]", 4, ["TRANSPOSE_CONV"]),
    "kernel 2 at stride 2": ("1, 3, 4, 4", (3, 4, 2, 2), "strides = [2, 2]", 4, ["TRANSPOSE_CONV"]),
    "kernel 4 at stride 2": (
        "1, 3, 4, 4",
        (3, 4, 4, 4),
        "strides = [2, 2], pads = [1, 1, 1, 1]",
        4,
        ["TRANSPOSE_CONV"],
    ),
    "output padding": (
        "1, 3, 4, 4",
        (3, 4, 3, 3),
        "strides = [2, 2], pads = [1, 1, 1, 1], output_padding = [1, 1]",
        4,
        ["TRANSPOSE_CONV", "SLICE"],
    ),
    "padding that is cut": (
        "1, 3, 4, 4",
        (3, 4, 3, 3),
        "strides = [2, 2], pads = [1, 0, 0, 1]",
        4,
        ["TRANSPOSE_CONV", "SLICE"],
    ),
    "output padding beyond the sums": (
        "1, 3, 4, 4",
        (3, 4, 1, 1),
        "strides = [2, 2], output_padding = [1, 1]",
        4,
        ["TRANSPOSE_CONV"],
    ),
    "dilated": (
        "1, 3, 4, 4",
        (3, 4, 3, 3),
        "dilations = [2, 2], pads = [2, 2, 2, 2]",
        4,
        ["TRANSPOSE_CONV"],
    ),
    "groups": (
        "1, 4, 4, 4",
        (4, 3, 2, 2),
        "group = 2, strides = [2, 2]",
        6,
        ["SPLIT", "TRANSPOSE_CONV", "TRANSPOSE_CONV", "CONCATENATION"],
    ),
    "depthwise": (
        "1, 2, 4, 4",
        (2, 1, 3, 3),
        "group = 2, strides = [2, 2], pads = [1, 1, 1, 1]",
        2,
        ["SPLIT", *["TRANSPOSE_CONV", "SLICE"] * 2, "CONCATENATION"],
    ),
    "auto same": (
        "1, 3, 4, 4",
        (3, 4, 3, 3),
        'auto_pad = "SAME_UPPER", strides = [2, 2]',
        4,
        ["TRANSPOSE_CONV"],
    ),
    "auto same, lower": (
        "1, 3, 4, 4",
        (3, 4, 3, 3),
        'auto_pad = "SAME_LOWER", strides = [2, 2]',
        4,
        ["TRANSPOSE_CONV", "SLICE"],
    ),
    "output shape": (
        "1, 3, 4, 4",
        (3, 4, 3, 3),
        "output_shape = [8, 8], strides = [2, 2]",
        4,
        ["TRANSPOSE_CONV", "SLICE"],
    ),
}


@pytest.mark.parametrize("case", TRANSPOSED.values(), ids=TRANSPOSED.keys())
@pytest.mark.parametrize("has_bias", [True, False], ids=["bias", "no bias"])
def test_transposed_convolutions(
    case: tuple[str, tuple[int, ...], str, int, list[str]], has_bias: bool
) -> None:
    size, shape, attributes, channels, operators = case
    known = weights(*shape, bias=channels if has_bias else None)
    text = one("ConvTranspose", size, known, attributes)
    # ONNX's evaluator adds the bias of the first group to every group.
    found = check(text, known, evaluate=by_onnxruntime)
    assert read(found).codes == operators
