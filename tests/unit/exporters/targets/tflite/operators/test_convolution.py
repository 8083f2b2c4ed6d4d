from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from unit.exporters.targets.tflite.support import canonical, check, one, parse, read, weights

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.targets.tflite.write import TfliteOptions, write_tflite

# Size of the image, weight, attributes, and the operators that compute it.
CONVOLUTIONS: dict[str, tuple[str, tuple[int, ...], str, list[str]]] = {
    "1x1": ("1, 3, 5, 6", (4, 3, 1, 1), "", ["CONV_2D"]),
    "valid": ("1, 3, 7, 6", (4, 3, 3, 2), "", ["CONV_2D"]),
    "same at stride 1": ("1, 3, 7, 6", (4, 3, 3, 3), "pads = [1, 1, 1, 1]", ["CONV_2D"]),
    "same at stride 2 of odd sizes": (
        "1, 3, 7, 9",
        (4, 3, 3, 3),
        "pads = [1, 1, 1, 1], strides = [2, 2]",
        ["CONV_2D"],
    ),
    "symmetric at stride 2 of even sizes": (
        "1, 3, 8, 8",
        (4, 3, 3, 3),
        "pads = [1, 1, 1, 1], strides = [2, 2]",
        ["PAD", "CONV_2D"],
    ),
    "asymmetric as SAME is": (
        "1, 3, 8, 8",
        (4, 3, 3, 3),
        "pads = [0, 0, 1, 1], strides = [2, 2]",
        ["CONV_2D"],
    ),
    "asymmetric the other way": (
        "1, 3, 8, 8",
        (4, 3, 3, 3),
        "pads = [1, 1, 0, 0], strides = [2, 2]",
        ["PAD", "CONV_2D"],
    ),
    "more padding than SAME": (
        "1, 3, 5, 5",
        (4, 3, 3, 3),
        "pads = [2, 3, 2, 1]",
        ["PAD", "CONV_2D"],
    ),
    "padding that no window reaches": (
        "1, 3, 6, 6",
        (4, 3, 2, 2),
        "pads = [0, 0, 1, 1], strides = [2, 2]",
        ["CONV_2D"],
    ),
    "same upper": ("1, 3, 8, 7", (4, 3, 2, 3), 'auto_pad = "SAME_UPPER"', ["CONV_2D"]),
    "same lower": ("1, 3, 8, 7", (4, 3, 2, 3), 'auto_pad = "SAME_LOWER"', ["PAD", "CONV_2D"]),
    "same lower, even": ("1, 3, 8, 7", (4, 3, 3, 3), 'auto_pad = "SAME_LOWER"', ["CONV_2D"]),
    "auto valid": ("1, 3, 8, 7", (4, 3, 2, 3), 'auto_pad = "VALID"', ["CONV_2D"]),
    "dilated": (
        "1, 3, 9, 9",
        (4, 3, 3, 3),
        "dilations = [2, 3], pads = [2, 3, 2, 3]",
        ["CONV_2D"],
    ),
    "strides of two kinds": ("1, 3, 9, 9", (4, 3, 3, 3), "strides = [1, 2]", ["CONV_2D"]),
    "groups": ("1, 4, 5, 6", (6, 2, 3, 3), "group = 2, pads = [1, 1, 1, 1]", ["CONV_2D"]),
    "depthwise": (
        "1, 4, 5, 6",
        (4, 1, 3, 3),
        "group = 4, pads = [1, 1, 1, 1]",
        ["DEPTHWISE_CONV_2D"],
    ),
    "depthwise with multiplier": (
        "1, 3, 5, 6",
        (6, 1, 3, 3),
        "group = 3, pads = [1, 1, 1, 1]",
        ["DEPTHWISE_CONV_2D"],
    ),
    "depthwise, dilated": (
        "1, 4, 9, 9",
        (4, 1, 3, 3),
        "group = 4, dilations = [2, 2], pads = [2, 2, 2, 2]",
        ["DEPTHWISE_CONV_2D"],
    ),
    "depthwise at stride 2": (
        "1, 4, 8, 8",
        (4, 1, 3, 3),
        "group = 4, strides = [2, 2], pads = [1, 1, 1, 1]",
        ["PAD", "DEPTHWISE_CONV_2D"],
    ),
    "one channel": ("1, 1, 8, 8", (4, 1, 3, 3), "", ["CONV_2D"]),
    "a batch": ("2, 3, 5, 5", (4, 3, 3, 3), "", ["CONV_2D"]),
}


@pytest.mark.parametrize("case", CONVOLUTIONS.values(), ids=CONVOLUTIONS.keys())
@pytest.mark.parametrize("has_bias", [True, False], ids=["bias", "no bias"])
def test_convolutions(case: tuple[str, tuple[int, ...], str, list[str]], has_bias: bool) -> None:
    size, shape, attributes, operators = case
    known = weights(*shape, bias=shape[0] if has_bias else None)
    batch = int(size[0])
    found = check(one("Conv", size, known, attributes), known, options=TfliteOptions(batch=batch))
    assert read(found).codes == operators


@pytest.mark.parametrize(
    ("size", "shape", "attributes", "operator"),
    [
        ("1, 3, 9", (4, 3, 3), "pads = [1, 1]", "CONV_2D"),
        ("2, 3, 9", (4, 3, 3), "strides = [2]", "CONV_2D"),
        ("1, 3, 9", (4, 3, 3), "pads = [3, 1], dilations = [2]", "CONV_2D"),
        ("1, 4, 8", (4, 1, 5), "group = 4", "DEPTHWISE_CONV_2D"),
        ("1, 1, 8", (1, 1, 3), 'auto_pad = "SAME_UPPER"', "CONV_2D"),
    ],
)
def test_a_convolution_over_a_line_is_one_over_an_image_of_height_1(
    size: str, shape: tuple[int, ...], attributes: str, operator: str
) -> None:
    """As efficient channel attention has, and networks for sound."""
    known = weights(*shape, bias=shape[0])
    text = one("Conv", size, known, attributes).replace("[N, C, H, W] y", "[N, C, L] y")
    found = check(text, known, options=TfliteOptions(batch=int(size[0])))
    assert operator in read(found).codes


@pytest.mark.parametrize(
    ("activation", "code"),
    [
        ("Relu (a)", "RELU"),
        ("Clip (a, zero, six)", "RELU6"),
        ("Clip (a, minus, one)", "RELU_N1_TO_1"),
    ],
)
def test_an_activation_behind_a_convolution_is_computed_by_it(activation: str, code: str) -> None:
    from ai_edge_litert.schema_py_generated import ActivationFunctionType

    known = weights(4, 3, 3, 3)
    text = f"""g (float[1, 3, 6, 6] x) => (float[N, C, H, W] y)
    <float zero = {{0.0}}, float six = {{6.0}}, float minus = {{-1.0}}, float one = {{1.0}}>
    {{ a = Conv (x, w) y = {activation} }}"""
    (step,) = read(check(text, known)).steps
    assert step.options.fusedActivationFunction == getattr(ActivationFunctionType, code)


def test_an_activation_stays_out_of_a_convolution_that_others_read() -> None:
    text = """g (float[1, 3, 6, 6] x) => (float[N, C, H, W] y, float[N, C, H, W] a)
    { a = Conv (x, w) y = Relu (a) }"""
    assert read(check(text, weights(4, 3, 3, 3))).codes == ["CONV_2D", "RELU"]


def test_half_precision_weights_are_widened_before_they_are_used() -> None:
    known = weights(64, 3, 3, 3, bias=64)
    halves = {name: array.astype(np.float16).astype(np.float32) for name, array in known.items()}
    text = one("Conv", "1, 3, 6, 6", known)
    found = check(text, halves, options=TfliteOptions(precision="fp16"), relative=1e-5)
    file = read(found)
    assert file.codes == ["DEQUANTIZE", "DEQUANTIZE", "CONV_2D"]
    assert {t.dtype for t in file.tensors.values() if t.content} == {"FLOAT16"}
    wide = write_tflite(canonical(parse(text, known)))
    values = sum(array.size for array in known.values())
    assert len(wide.content) - len(found.content) > values


def test_a_weight_beyond_half_precision_is_refused() -> None:
    known = {"w": np.full((1, 1, 1, 1), 1e5, np.float32)}
    model = canonical(parse(one("Conv", "1, 1, 2, 2", known), known))
    with pytest.raises(UnsupportedModel, match=r"w holds 1e\+05, more than the 65504"):
        write_tflite(model, TfliteOptions(precision="fp16"))


@pytest.mark.parametrize(
    ("text", "constants", "says"),
    [
        (
            "g (float[1, 3, 4, 4, 4] x) => (float[N, C, D, H, W] y) { y = Conv (x, w) }",
            weights(4, 3, 3, 3, 3),
            "its window has 3 axes, expected 2",
        ),
        (
            "g (float[1, 3, 6] x) => (float[N, C, L] y) { y = ConvTranspose (x, w) }",
            weights(3, 4, 3),
            "only two-dimensional convolutions",
        ),
        (
            "g (float[1, 3, 6, 6] x, float[4, 3, 1, 1] w) => (float[N, C, H, W] y) "
            "{ y = Conv (x, w) }",
            {},
            "its weight is computed, expected a constant",
        ),
    ],
)
def test_other_convolutions_are_refused(text: str, constants: dict[str, Any], says: str) -> None:
    with pytest.raises(UnsupportedModel, match=rf"^y \(Conv.*{says}"):
        write_tflite(canonical(parse(text, constants)))
