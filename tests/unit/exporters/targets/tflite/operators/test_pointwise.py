from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.targets.tflite.support import canonical, check, parse, read

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.targets.tflite.write import TfliteOptions, write_tflite

KNOWN = {
    "zero": np.array(0, np.float32),
    "six": np.array(6, np.float32),
    "one": np.array(1, np.float32),
    "minus": np.array(-1, np.float32),
    "half": np.array(0.5, np.float32),
    "slopes": np.array([0.1, -0.2, 0.3], np.float32).reshape(3, 1, 1),
    "slope": np.array([0.1], np.float32),
    "places": np.linspace(-0.5, 0.5, 20, dtype=np.float32).reshape(4, 5),
    "batches": np.array([0.1, 0.4], np.float32).reshape(2, 1, 1, 1),
    "v": np.array([[1.0, 2.0, 3.0, 4.0, 5.0]], np.float32),
}
ACTIVATIONS = {
    "Relu (x)": ["RELU"],
    "Clip (x, zero, six)": ["RELU6"],
    "Clip (x, minus, one)": ["RELU_N1_TO_1"],
    "Clip (x, minus, half)": ["MAXIMUM", "MINIMUM"],
    "Clip (x, half)": ["MAXIMUM"],
    "Clip (x, , half)": ["MINIMUM"],
    "Clip (x)": ["RESHAPE"],  # the output is the input: a tensor of its own
    "LeakyRelu <alpha = 0.3> (x)": ["LEAKY_RELU"],
    "PRelu (x, slopes)": ["PRELU"],
    "PRelu (x, slope)": ["PRELU"],
    "PRelu (x, places)": ["PRELU"],
    "Sigmoid (x)": ["LOGISTIC"],
    "Tanh (x)": ["TANH"],
    "Elu (x)": ["ELU"],
    "Elu <alpha = 0.4> (x)": ["RELU", "MINIMUM", "ELU", "MUL", "ADD"],
    "HardSwish (x)": ["HARD_SWISH"],
    "HardSigmoid (x)": ["ADD", "MAXIMUM", "MINIMUM", "MUL"],
    "HardSigmoid <alpha = 0.16666667> (x)": ["ADD", "MUL"],
    "Gelu (x)": ["GELU"],
    'Gelu <approximate = "tanh"> (x)': ["GELU"],
    "Softmax <axis = 1> (x)": ["SOFTMAX"],
    "LogSoftmax <axis = 1> (x)": ["LOG_SOFTMAX"],
    "Abs (x)": ["ABS"],
    "Ceil (x)": ["CEIL"],
    "Cos (x)": ["COS"],
    "Exp (x)": ["EXP"],
    "Floor (x)": ["FLOOR"],
    "Reciprocal (x)": ["DIV"],
    "Neg (x)": ["NEG"],
    "Round (x)": ["ROUND"],
    "Sin (x)": ["SIN"],
}


def constants(body: str) -> dict[str, np.ndarray]:
    names = body.replace("(", ",").replace(")", ",").replace(" ", "").split(",")
    return {n: KNOWN[n] for n in dict.fromkeys(names) if n in KNOWN}


@pytest.mark.parametrize(("body", "operators"), ACTIVATIONS.items(), ids=ACTIVATIONS.keys())
def test_activations(body: str, operators: list[str]) -> None:
    text = f"g (float[1, 3, 4, 5] x) => (float[N, C, H, W] y) {{ y = {body} }}"
    found = check(text, constants(body), relative=2e-5 if "Softmax" in body else 5e-6)
    assert read(found).codes == operators


@pytest.mark.parametrize("operator", ["Sqrt", "Log"])
def test_functions_of_positive_numbers(operator: str) -> None:
    text = f"g (float[1, 3, 4, 5] x) => (float[N, C, H, W] y) {{ a = Abs (x) y = {operator} (a) }}"
    assert read(check(text)).codes == ["ABS", operator.upper()]


@pytest.mark.parametrize("axis", [0, 2, 3])
def test_softmax_over_an_axis_that_does_not_lie_last_turns_the_image_there_and_back(
    axis: int,
) -> None:
    text = f"g (float[2, 3, 4, 5] x) => (float[N, C, H, W] y) {{ y = Softmax <axis = {axis}> (x) }}"
    found = check(text, options=TfliteOptions(batch=2), relative=2e-5)
    assert found.transposes == 2


def test_slopes_that_differ_within_a_batch_are_spelt_out() -> None:
    text = "g (float[2, 3, 4, 5] x) => (float[N, C, H, W] y) { y = PRelu (x, batches) }"
    found = check(text, constants(text), options=TfliteOptions(batch=2))
    assert read(found).codes == ["RELU", "MINIMUM", "MUL", "ADD"]


def test_computed_slopes_are_spelt_out() -> None:
    text = """g (float[1, 3, 4, 5] x) => (float[N, C, H, W] y)
    { m = GlobalMaxPool (x) y = PRelu (x, m) }"""
    assert read(check(text)).codes == ["REDUCE_MAX", "RELU", "MINIMUM", "MUL", "ADD"]


def test_silu_is_a_product_with_the_logistic_function() -> None:
    text = "g (float[1, 3, 4, 5] x) => (float[N, C, H, W] y) { s = Sigmoid (x) y = Mul (x, s) }"
    assert read(check(text)).codes == ["LOGISTIC", "MUL"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "g (float[1, 3, 4, 4] x) => (float[N, C, H, W] y) "
            "{ m = ReduceMax <keepdims = 0> (x) y = Clip (x, zero, m) }",
            "its bounds are computed, expected constants",
        ),
    ],
)
def test_other_activations_are_refused(text: str, says: str) -> None:
    with pytest.raises(UnsupportedModel, match=rf"^y \(\w+\) cannot .*{says}"):
        write_tflite(canonical(parse(text, constants(text))))


def test_slopes_of_another_shape_are_refused() -> None:
    proto = parse(
        "g (float[1, 3, 4, 5] x) => (float[N, C, H, W] y) { y = PRelu (x, slope) }",
        constants("slope"),
    )
    model = canonical(proto)
    # As the converter of old operator sets leaves them: a slope for each channel, and no axis.
    model.graph.initializers["slope"].const_value = ir.tensor(np.ones(3, np.float32))
    with pytest.raises(UnsupportedModel, match=r"slopes \(3,\) do not broadcast to \(1, 3, 4, 5\)"):
        write_tflite(model)


def test_an_identity_of_the_quantised_graph_is_no_operator() -> None:
    text = """g (float[1, 3, 4, 5] x) => (float[1, 3, 4, 5] y)
    { a = LeakyRelu <alpha = 1.0> (x) y = Relu (a) }"""
    assert read(check(text)).codes == ["RELU"]
