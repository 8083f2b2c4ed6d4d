"""The QDQ graph's own integers: copied, computed with, and answered within one step."""

from __future__ import annotations

import numpy as np
import pytest
from unit.exporters.targets.tflite.integer_support import (
    IMAGES,
    encode,
    floats,
    integers_of,
    quantised,
)
from unit.exporters.targets.tflite.support import answer, read

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.targets.tflite.source import read_source
from edgecnn_exporters.targets.tflite.write import TfliteOptions, write_tflite

INTEGERS = TfliteOptions(precision="int8", io="int8")
# What only moves integers, or compares them, is held in 8 bits behind what computes them.
BEFORE = "[c] t = Conv (x, gate)"
SAME = "pads = [1, 1, 1, 1]"
# What the graph computes, which operators compute it in 8 bits, and how many steps it may be off:
# one for each rounding in a row.
BODIES: dict[str, tuple[str, set[str], int]] = {
    "conv": ("[c] y = Conv (x, point, summand)", {"CONV_2D"}, 1),
    "conv without bias": ("[c] y = Conv (x, point)", {"CONV_2D"}, 1),
    "conv and relu": ("[c] a = Conv (x, point) y = Relu (a)", {"CONV_2D"}, 1),
    "conv and relu6": ("[c] a = Conv (x, point) y = Clip (a, zero, six)", {"CONV_2D"}, 1),
    "conv and clip": ("[c] a = Conv (x, point) y = Clip (a, minus, one)", {"CONV_2D"}, 1),
    "grouped": (f"[c] y = Conv <group = 2, {SAME}> (x, grouped)", {"CONV_2D"}, 1),
    "depthwise": (f"[c] y = Conv <group = 6, {SAME}> (x, wise)", {"DEPTHWISE_CONV_2D"}, 1),
    "depthwise with multiplier": (
        f"[c] y = Conv <group = 6, strides = [2, 2], {SAME}> (x, double)",
        {"PAD", "DEPTHWISE_CONV_2D"},
        1,
    ),
    "transposed": ("[c] y = ConvTranspose <strides = [2, 2]> (x, up)", {"TRANSPOSE_CONV"}, 1),
    "add": (
        f"[c] a = Conv <group = 6, {SAME}> (x, wise) y = Add (x, a)",
        {"DEPTHWISE_CONV_2D", "ADD"},
        2,
    ),
    "add and relu": (
        f"[c] a = Conv <group = 6, {SAME}> (x, wise) b = Add (x, a) y = Relu (b)",
        {"DEPTHWISE_CONV_2D", "ADD"},
        2,
    ),
    "mul": ("g = GlobalAveragePool (x) y = Mul (x, g)", {"MEAN", "MUL"}, 2),
    "sigmoid": ("y = Sigmoid (x)", {"LOGISTIC"}, 1),
    "squeeze and excite": (
        "g = GlobalAveragePool (x) [c] e = Conv (g, gate) h = Sigmoid (e) y = Mul (x, h)",
        {"CONV_2D", "MEAN", "LOGISTIC", "MUL"},
        4,
    ),
    "silu": ("h = Sigmoid (x) y = Mul (x, h)", {"LOGISTIC", "MUL"}, 2),
    "hard swish": ("[c] a = Conv (x, gate) y = HardSwish (a)", {"CONV_2D", "ADD", "MUL"}, 3),
    "concat": (
        f"{BEFORE} a = Sigmoid (t) b = Concat <axis = 1> (t, a) [d] y = Conv (b, both)",
        {"CONV_2D", "LOGISTIC", "QUANTIZE", "CONCATENATION"},
        3,
    ),
    "max pool": (
        f"{BEFORE} y = MaxPool <kernel_shape = [3, 3], strides = [2, 2], {SAME}> (t)",
        {"CONV_2D", "PADV2", "MAX_POOL_2D"},
        1,
    ),
    "average pool": (
        "y = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (x)",
        {"AVERAGE_POOL_2D", "DEPTHWISE_CONV_2D"},
        1,
    ),
    "global pool": ("y = GlobalAveragePool (x)", {"MEAN"}, 1),
    "pad": (f"{BEFORE} y = Pad (t, edge)", {"CONV_2D", "PAD"}, 1),
    "nearest": (
        f"{BEFORE} y = Resize (t, , scales)",
        {"CONV_2D", "RESIZE_NEAREST_NEIGHBOR", "GATHER"},
        1,
    ),
    "bilinear": (
        f'{BEFORE} y = Resize <mode = "linear"> (t, , scales)',
        {"CONV_2D", "RESIZE_BILINEAR"},
        2,
    ),
    "leaky": ("y = LeakyRelu <alpha = 0.1> (x)", {"LEAKY_RELU"}, 1),
    "tanh": ("y = Tanh (x)", {"TANH"}, 1),
    "split": (
        f"{BEFORE} a, b = Split <axis = 1, num_outputs = 2> (t) y = Concat <axis = 1> (b, a)",
        {"CONV_2D", "SPLIT", "CONCATENATION"},
        1,
    ),
    "space to depth": (
        f"{BEFORE} y = SpaceToDepth <blocksize = 2> (t)",
        {"CONV_2D", "SPACE_TO_DEPTH"},
        1,
    ),
    "depth to space": (
        f"{BEFORE} s = SpaceToDepth <blocksize = 2> (t) y = DepthToSpace <blocksize = 2> (s)",
        {"CONV_2D", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE"},
        1,
    ),
}


@pytest.mark.parametrize("case", BODIES.values(), ids=BODIES.keys())
def test_integers_in_and_out_leave_no_float_and_answer_within_a_step(
    case: tuple[str, set[str], int],
) -> None:
    body, operators, steps = case
    model = quantised(body)
    found = write_tflite(model, INTEGERS)
    file = read(found)
    assert floats(file) == set()
    assert set(file.codes) <= operators
    for image in IMAGES:
        fed = {"x": encode(found.encodings["x"], image, "int8")}
        expected = integers_of(model, image).astype(np.int16) - 128
        for delegate in (True, False):
            made = answer(found, fed, delegate=delegate)["y"]
            assert made.dtype == np.int8
            assert np.abs(made - expected).max() <= steps


@pytest.mark.parametrize("case", BODIES.values(), ids=BODIES.keys())
def test_scales_and_zero_points_are_those_of_the_graph(case: tuple[str, set[str], int]) -> None:
    model = quantised(case[0])
    tensors = read(write_tflite(model, INTEGERS)).tensors
    encodings = read_source(model, 1).encodings
    named = [name for name in encodings if name in tensors]
    assert {"x", "y"} <= set(named)
    for name in named:
        assert tensors[name].dtype == "INT8"
        assert tensors[name].scale == (encodings[name].scale,)
        assert tensors[name].zero_point == (encodings[name].zero_point - 128,)


@pytest.mark.parametrize(
    ("body", "name", "places", "order"),
    [
        (BODIES["conv"][0], "point", (1, 2), (0, 2, 3, 1)),
        (BODIES["grouped"][0], "grouped", (1, 2), (0, 2, 3, 1)),
        (BODIES["depthwise"][0], "wise", (1, 2), (1, 2, 3, 0)),
        (BODIES["transposed"][0], "up", (1, 3), (1, 2, 3, 0)),
    ],
)
def test_weights_and_biases_are_bit_for_bit_those_of_the_graph(
    body: str, name: str, places: tuple[int, int], order: tuple[int, ...]
) -> None:
    model = quantised(body)
    file = read(write_tflite(model, INTEGERS))
    weight, bias = (file.tensors[file.steps[-1].inputs[place]] for place in places)
    (node,) = [node for node in model.graph if node.op_type.startswith("Conv")]
    integers, scales = _of_dequantise(node.inputs[1])
    np.testing.assert_array_equal(weight.array, integers.transpose(order))
    assert weight.scale == tuple(float(scale) for scale in scales)
    assert order[weight.axis] == (1 if node.op_type == "ConvTranspose" else 0)
    assert set(weight.zero_point) == {0}
    assert bias.dtype == "INT32"
    if len(node.inputs) > 2:
        sums, units = _of_dequantise(node.inputs[2])
        np.testing.assert_array_equal(bias.array, sums)
        assert bias.scale == tuple(float(unit) for unit in units)
    else:
        assert not bias.array.any()


def _of_dequantise(value: object) -> tuple[np.ndarray, np.ndarray]:
    before = value.producer()  # type: ignore[attr-defined]
    arrays = [constant(each) for each in before.inputs[:2]]
    assert arrays[0] is not None
    assert arrays[1] is not None
    return arrays[0], arrays[1]


def test_an_operator_without_an_integer_form_computes_in_float_between_them() -> None:
    model = quantised("[c] a = Conv (x, gate) e = Elu (a) [d] y = Conv (e, point)")
    codes = read(write_tflite(model, INTEGERS)).codes
    assert codes == ["CONV_2D", "DEQUANTIZE", "ELU", "QUANTIZE", "CONV_2D"]
