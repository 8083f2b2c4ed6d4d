"""Operators of ONNX that OpenVINO does not compute as they are: written in others, or refused."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest
from unit.exporters.passes.support import by_onnxruntime

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.targets.openvino.write import write_openvino
from edgecnn_runtime.engines.openvino import OpenVINOEngine

pytest.importorskip("openvino")

IMAGE = np.random.default_rng(0).random((2, 3, 6, 7), np.float32)
CONSTANTS = """<float[4] half = {1.0, 1.0, 0.5, 0.5}, float[4] twice = {1.0, 1.0, 2.0, 2.0},
 int64[8] around = {0, 0, 1, 2, 0, 0, 0, 9}, int64[4] some = {1, 2, 3, 0}, int64[2] back = {-1, 2},
 float[3] p = {1.0, 2.0, 3.0}, int64[2] size = {4, 4}, int64[3] nhw = {0, 2, 3}>"""


def parse(body: str, opset: int) -> onnx.ModelProto:
    head = f'<ir_version: 8, opset_import: ["": {opset}]>'
    graph = f"g (float[N, 3, 6, 7] x) => (float[a, b, c, d] y) {CONSTANTS} {{ {body} }}"
    proto = onnx.parser.parse_model(f"{head} {graph}")
    return onnx.shape_inference.infer_shapes(proto)


@pytest.mark.parametrize(
    ("body", "opset"),
    [
        ('y = Pad <mode = "wrap"> (x, around)', 19),
        ('y = Pad <mode = "wrap"> (x, some, , back)', 19),
        ('z = Pad <mode = "wrap"> (x, around) y = Relu (z)', 19),
        # Nothing is left to filter where nothing shrinks.
        ('y = Resize <mode = "linear", antialias = 1> (x, , twice)', 18),
    ],
)
def test_openvino_answers_what_onnx_runtime_does(body: str, opset: int) -> None:
    proto = parse(body, opset)
    written = write_openvino(ir.from_proto(proto), "fp32")
    engine = OpenVINOEngine.open(written.xml, weights=written.weights)
    (expected,) = by_onnxruntime(proto, {"x": IMAGE})
    np.testing.assert_allclose(engine.run({"x": IMAGE})["y"], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            "y, m, v = BatchNormalization <training_mode = 1> (x, p, p, p, p)",
            "it is in training mode",
        ),
        (
            "m = ReduceMean <keepdims = 0> (x, nhw) y = BatchNormalization (x, p, p, m, p)",
            "it is in training mode",
        ),
        ('y = Resize <mode = "linear", antialias = 1> (x, , half)', "it filters what it shrinks"),
        ('y = Resize <mode = "cubic", antialias = 1> (x, , half)', "it filters what it shrinks"),
        ('y = Resize <mode = "cubic", exclude_outside = 1> (x, , twice)', "outside the image"),
        (
            'y = Resize <keep_aspect_ratio_policy = "not_larger", axes = [2, 3]> (x, , , size)',
            r"it keeps the aspect ratio \(not_larger\)",
        ),
    ],
)
def test_what_openvino_would_compute_otherwise_is_refused(body: str, says: str) -> None:
    with pytest.raises(UnsupportedModel, match=f"{says}.*export without this target"):
        write_openvino(ir.from_proto(parse(body, 18)), "fp32")


def test_an_output_keeps_its_name_where_the_engine_fuses_it_with_another() -> None:
    # OpenVINO multiplies before it reshapes; the result is then called f and y.
    body = "f = Flatten (x) y = Mul (f, three)"
    text = f"""<ir_version: 8, opset_import: ["": 18]> g (float[N, 3, 6, 7] x) => (float[N, 126] y)
    <float three = {{3.0}}> {{ {body} }}"""
    written = write_openvino(ir.from_proto(onnx.parser.parse_model(text)), "fp32")
    engine = OpenVINOEngine.open(written.xml, weights=written.weights)
    assert [spec.name for spec in engine.outputs] == ["y"]
    np.testing.assert_allclose(engine.run({"x": IMAGE})["y"], 3 * IMAGE.reshape(2, -1), rtol=1e-6)
