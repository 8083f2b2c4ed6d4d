from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.targets.tflite.support import answer, canonical, parse, read

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.quantise.graph.integer_marks import mark_integer
from edgecnn_exporters.targets.tflite.source import read_source
from edgecnn_exporters.targets.tflite.write import TfliteOptions, write_tflite
from edgecnn_runtime.encoding import Encoding

CONSTANTS = {
    "scale": np.array(0.5, np.float32),
    "zero": np.array(10, np.int8),
    "unsigned": np.array(138, np.uint8),
    "wide": np.array(3, np.uint16),
    "scales": np.array([0.5, 0.25], np.float32),
    "zeros": np.array([1, 2], np.uint8),
    "w": np.array([[[[1]], [[-2]]], [[[3]], [[4]]]], np.int8),
    "uw": np.full((2, 2, 1, 1), 130, np.uint8),
    "uz": np.array(128, np.uint8),
    "ws": np.array([0.1, 0.2], np.float32),
    "b": np.array([5, -7], np.int32),
    "bs": np.array([0.05, 0.1], np.float32),
}
IMAGE = "float[N, 2, 3, 3]"


def quantised(zero: str, weight: str = "d = DequantizeLinear <axis = 0> (w, ws)") -> str:
    """A convolution between 8 bits, as a QDQ graph says it."""
    return f"""g ({IMAGE} x) => ({IMAGE} y) {{
    q = QuantizeLinear (x, scale, {zero}) r = DequantizeLinear (q, scale, {zero})
    {weight} e = DequantizeLinear <axis = 0> (b, bs)
    c = Conv (r, d, e)
    s = QuantizeLinear (c, scale, {zero}) y = DequantizeLinear (s, scale, {zero}) }}"""


def planned(text: str, opset: int = 20) -> ir.Model:
    """The graph, with its convolution marked as the quantiser marks what it plans in integers."""
    model = canonical(parse(text, known(text), opset))
    for node in model.graph:
        if node.op_type == "Conv":
            mark_integer(node)
    return model


def known(text: str) -> dict[str, np.ndarray]:
    names = text.replace("(", " ").replace(")", " ").replace(",", " ").split()
    return {name: CONSTANTS[name] for name in dict.fromkeys(names) if name in CONSTANTS}


@pytest.mark.parametrize("zero", ["zero", "unsigned"])
def test_pairs_are_taken_out_and_what_they_said_is_kept(zero: str) -> None:
    """A signed zero point and the unsigned one 128 above it say the same."""
    text = quantised(zero)
    model = planned(text)
    source = read_source(model, batch=1)
    assert [node.op_type for node in source.graph] == ["Conv"]
    assert source.encodings == {"x": Encoding(0.5, 138), "y": Encoding(0.5, 138)}
    assert source.integer == {"c"}
    np.testing.assert_array_equal(source.constants["d"].array, CONSTANTS["w"])
    np.testing.assert_array_equal(source.constants["e"].array, CONSTANTS["b"])
    # The model itself is as it was.
    assert sum(node.op_type == "QuantizeLinear" for node in model.graph) == 2
    fed = read(write_tflite(model, TfliteOptions(precision="int8", io="int8"))).tensors["x"]
    assert (fed.dtype, fed.scale, fed.zero_point) == ("INT8", (0.5,), (10,))


def test_a_node_between_8_bits_that_no_plan_made_integer_is_computed_in_float() -> None:
    text = quantised("zero")
    model = canonical(parse(text, known(text)))
    assert read_source(model, batch=1).integer == frozenset()
    codes = read(write_tflite(model, TfliteOptions(precision="int8", io="int8"))).codes
    assert codes == ["DEQUANTIZE", "CONV_2D", "QUANTIZE"]


def test_a_dynamic_batch_is_fixed_and_with_it_what_is_computed_of_it() -> None:
    text = """g (float[N, 2, 3, 3] x) => (float[N, K] y) <int64[1] rest = {-1}, int64[1] at = {0}>
    { r = Relu (x) s = Shape (r) n = Gather (s, at) t = Concat <axis = 0> (n, rest)
    y = Reshape (r, t) }"""
    model = canonical(parse(text))
    feed = np.arange(54, dtype=np.float32).reshape(3, 2, 3, 3) - 20
    found = write_tflite(model, TfliteOptions(batch=3))
    assert read(found).tensors["x"].shape == (3, 3, 3, 2)
    made = answer(found, {"x": feed})["y"]
    np.testing.assert_array_equal(made, np.maximum(feed, 0).reshape(3, 18))
    assert "SHAPE" not in found.operators


def test_what_is_counted_up_to_the_batch_is_a_constant() -> None:
    """As the exporter writes the strides of a pooled image whose channels lie last."""
    text = """g (float[N, 3, 1, 1] x) => (float[M, 3] y)
    <int64 zero = {0}, int64 one = {1}, int64 three = {3}, int64[1] flat = {-1},
    int64[1] second = {1}, int64[1, 3] channels = {0, 1, 2}>
    { r = Reshape (x, flat) s = Shape <start = 0, end = 1> (x) n = Squeeze (s)
    b = Range (zero, n, one) w = Mul (b, three) u = Unsqueeze (w, second) i = Add (u, channels)
    y = Gather <axis = 0> (r, i) }"""
    model = canonical(parse(text))
    feed = np.arange(3, dtype=np.float32).reshape(1, 3, 1, 1)
    np.testing.assert_array_equal(answer(write_tflite(model), {"x": feed})["y"], [[0, 1, 2]])


def test_what_became_constant_with_the_batch_keeps_its_encoding() -> None:
    """A token that is repeated for each image: in 8 bits it was computed, in TFLite it is not."""
    text = """g (float[N, 2] x) => (float[N, 2] y) <float[1, 2] token = {0.5, -1.0}> {
    n = Shape <start = 0, end = 1> (x) k = Shape <start = 1> (x) t = Concat <axis = 0> (n, k)
    e = Expand (token, t)
    q = QuantizeLinear (e, scale, unsigned) r = DequantizeLinear (q, scale, unsigned)
    p = QuantizeLinear (x, scale, unsigned) s = DequantizeLinear (p, scale, unsigned)
    a = Add (s, r)
    u = QuantizeLinear (a, scale, unsigned) y = DequantizeLinear (u, scale, unsigned) }"""
    model = canonical(parse(text, known(text)))
    for node in model.graph:
        if node.op_type == "Add":
            mark_integer(node)
    source = read_source(model, batch=1)
    (held,) = source.constants.values()
    np.testing.assert_array_equal(held.array, [[139, 136]])
    feed = np.array([[1, 2]], np.float32)
    np.testing.assert_allclose(
        answer(write_tflite(model, TfliteOptions(precision="int8")), {"x": feed})["y"], [[1.5, 1]]
    )


def test_a_batch_that_the_network_has_fixed_itself_stays() -> None:
    model = canonical(parse("g (float[2, 2, 3, 3] x) => (float[N, C, H, W] y) { y = Relu (x) }"))
    assert read(write_tflite(model)).tensors["x"].shape == (2, 3, 3, 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "g (float[N, 2, H, 3] x) => (float[N, 2, H, 3] y) { y = Relu (x) }",
            r"x has shape \[1,2,H,3\]: TFLite needs every size; export with a fixed --batch, and "
            r"give the image size with --input",
        ),
        (
            "g (float[1, 2, 0, 3] x) => (float[1, 2, 0, 3] y) { y = Relu (x) }",
            r"x has shape \[1,2,0,3\]: an axis of 0 holds nothing",
        ),
        (
            "g (int64[1, 2] x) => (int64[1, 2] y) { y = Add (x, x) }",
            "x holds INT64: TFLite is written from networks that compute in float32",
        ),
        (
            "g (float16[1, 2] x) => (float16[1, 2] y) { y = Add (x, x) }",
            "x holds FLOAT16: TFLite is written",
        ),
        (
            "g (uint8[1, 2] x) => (float[1, 2] y) { d = DequantizeLinear (x, scale) y = Relu (d) }",
            r"DequantizeLinear\) reads no QuantizeLinear and no constant",
        ),
        (
            f"g ({IMAGE} x) => ({IMAGE} y) {{ q = QuantizeLinear (x, scales, zeros) "
            "d = DequantizeLinear (q, scales, zeros) y = Relu (d) }",
            r"makes uint8 with a scale of shape \(2,\); TFLite holds .* with one scale",
        ),
        (
            f"g ({IMAGE} x) => ({IMAGE} y) {{ q = QuantizeLinear (x, scale, wide) "
            "d = DequantizeLinear (q, scale, wide) y = Relu (d) }",
            r"makes uint16 with a scale",
        ),
        (
            quantised("zero", "d = DequantizeLinear (uw, scale, uz)"),
            "its weight is uint8 with zero point 128, TFLite's are int8 with 0",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, says: str) -> None:
    model = planned(text, opset=21)
    with pytest.raises(UnsupportedModel, match=says):
        write_tflite(model, TfliteOptions(precision="int8"))
