"""What an int8 file answers: the QDQ graph's floats, or integers to the very end."""

from __future__ import annotations

import numpy as np
import pytest
from unit.exporters.targets.tflite.integer_support import IMAGES, encode, floats, quantised
from unit.exporters.targets.tflite.support import answer, read

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.quantise.graph.integer_results import with_integer_results
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.targets.tflite import Io
from edgecnn_exporters.targets.tflite.source import read_source
from edgecnn_exporters.targets.tflite.write import TfliteOptions, write_tflite

CLASSES = "float[N, K] y"
LAYER = "[fc] {} = Gemm <transB = 1> (f, {}, offset)"
HEADS = {
    "logits": f"g = GlobalAveragePool (x) f = Flatten (g) {LAYER.format('y', 'fc')}",
    "flattened": f"f = Flatten (x) {LAYER.format('y', 'wide')}",
    "softmax": f"f = Flatten (x) {LAYER.format('z', 'wide')} y = Softmax <axis = 1> (z)",
}


@pytest.mark.parametrize("after", ["", "y = Softmax <axis = 1> (z)", "y = Relu (z)"])
def test_the_float_result_of_an_integer_sum_is_that_of_the_graph(after: str) -> None:
    """To what float rounds: the kernel's own integers are those of the graph."""
    model = quantised(
        f"f = Flatten (x) {LAYER.format('z' if after else 'y', 'wide')} {after}", CLASSES
    )
    found = write_tflite(model, TfliteOptions(precision="int8"))
    assert found.encodings == {}
    file = read(found)
    (product,) = [step for step in file.steps if step.code == "FULLY_CONNECTED"]
    assert file.tensors[product.inputs[1]].dtype == "INT8"
    for image in IMAGES:
        expected = ValueProbe(model, ["y"]).run(image)["y"]
        for delegate in (True, False):
            made = answer(found, {"x": image}, delegate=delegate)["y"]
            np.testing.assert_allclose(made, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("io", ["int8", "uint8"])
@pytest.mark.parametrize("body", HEADS.values(), ids=HEADS.keys())
def test_integers_to_the_very_end_leave_no_float_operator(body: str, io: Io) -> None:
    model = quantised(body, CLASSES)
    found = write_tflite(model, TfliteOptions(precision="int8", io=io))
    file = read(found)
    assert floats(file) == set()
    assert file.tensors["x"].dtype == file.tensors["y"].dtype == io.upper()
    sums = read_source(with_integer_results(model), 1).encodings["z" if "Softmax" in body else "y"]
    for image in IMAGES:
        made = answer(found, {"x": encode(found.encodings["x"], image, io)})["y"]
        scale, zero_point = found.encodings["y"]
        reals = (made.astype(np.float32) - zero_point) * np.float32(scale)
        expected = ValueProbe(model, ["y"]).run(image)["y"]
        # A step of the sum, which a softmax passes on by a quarter at most, and one of the result.
        allowed = 1.5 * sums.scale if "Softmax" not in body else sums.scale / 4 + 1.5 * scale
        assert np.abs(reals - expected).max() <= allowed


def test_unsigned_integers_mean_what_signed_ones_do() -> None:
    model = quantised("[c] a = Conv (x, gate) y = Add (x, a)")
    signed, unsigned = (
        write_tflite(model, TfliteOptions(precision="int8", io=io)) for io in ("int8", "uint8")
    )
    assert unsigned.encodings == {
        name: (scale, zero_point + 128) for name, (scale, zero_point) in signed.encodings.items()
    }
    for image in IMAGES:
        one = answer(signed, {"x": encode(signed.encodings["x"], image, "int8")})["y"]
        other = answer(unsigned, {"x": encode(unsigned.encodings["x"], image, "uint8")})["y"]
        np.testing.assert_array_equal(one.astype(np.int16) + 128, other)


def test_float_images_are_rounded_as_the_graph_rounds_them() -> None:
    model = quantised("[c] y = Conv (x, point)")
    found = write_tflite(model, TfliteOptions(precision="int8"))
    assert read(found).codes[0] == "QUANTIZE"
    for image in IMAGES:
        made = answer(found, {"x": image})["y"]
        expected = ValueProbe(model, ["y"]).run(image)["y"]
        step = read_source(model, 1).encodings["y"].scale
        assert np.abs(made - expected).max() <= 1.01 * step


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("[c] t = Conv (x, gate) y = Elu (t)", "say --tflite-io float32"),
        ("[c] t = Conv (x, many) y = Softmax <axis = 1> (t)", "too small for steps of 1/256"),
        (
            "[c] t = Conv (x, gate) b = Sigmoid (t) s = Mul (t, hundred) "
            "y = Concat <axis = 1> (s, b)",
            r"\(Concat\) holds .* beside",
        ),
    ],
)
def test_a_float_output_is_refused_where_outputs_are_integers(body: str, reason: str) -> None:
    model = quantised(body)
    with pytest.raises(UnsupportedModel, match=f"output y stays float.*{reason}"):
        write_tflite(model, TfliteOptions(precision="int8", io="uint8"))
    assert write_tflite(model, TfliteOptions(precision="int8")).content
