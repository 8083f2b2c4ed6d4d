from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from edgecnn_exporters.capture.onnx_source import image_input, read_onnx
from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.manifest import Preprocess, TensorSpec

BODY = "<float[2, 3, 1, 1] w = {1.0, 2.0, 3.0, 4.0, 5.0, 6.0}> { y = Conv (x, w) }"


def saved(folder: Path, inputs: str, body: str = BODY, opset: int = 18) -> Path:
    text = f'<ir_version: 8, opset_import: ["": {opset}]> g ({inputs}) => (float[N, C, H, W] y)'
    onnx.save(onnx.parser.parse_model(f"{text} {body}"), folder / "net.onnx")
    return folder / "net.onnx"


@pytest.mark.parametrize(
    ("inputs", "said", "shape"),
    [
        ("float[N, 3, 8, 9] x", None, (None, 3, 8, 9)),
        ("float[4, 3, 8, 9] x", None, (4, 3, 8, 9)),
        ("float[N, 3, H, W] x", (3, 5, 6), (None, 3, 5, 6)),
    ],
)
def test_the_input_is_read_from_the_model(
    tmp_path: Path, inputs: str, said: tuple[int, int, int] | None, shape: tuple[int | None, ...]
) -> None:
    model = read_onnx(saved(tmp_path, inputs)).model
    assert image_input(model, "net.onnx", said) == TensorSpec("x", "float32", shape)


@pytest.mark.parametrize(
    ("inputs", "said", "says"),
    [
        ("float[N, 3, H, W] x", None, "give its size with --input"),
        ("float[N, 3, 8, 8] x", (3, 9, 9), "--input says"),
        ("float[N, 3, 8, 8] x, float[1] z", None, "2 inputs"),
    ],
)
def test_an_input_that_is_no_image_of_known_size_is_refused(
    tmp_path: Path, inputs: str, said: tuple[int, int, int] | None, says: str
) -> None:
    with pytest.raises(UnsupportedModel, match=says):
        image_input(read_onnx(saved(tmp_path, inputs)).model, "net.onnx", said)


def test_an_input_that_is_not_4d_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, "float[N, 3, 8] x", "<float[2,3,1] w = {1,2,3,4,5,6}> {y = Conv (x, w)}")
    text = onnx.load(path)
    with pytest.raises(UnsupportedModel, match=r"expected a 4-D image|not a valid ONNX"):
        image_input(read_onnx(path).model, "net.onnx", None)
    assert text


def test_external_data_beside_the_model_is_taken_in(tmp_path: Path) -> None:
    path = saved(tmp_path, "float[N, 3, 8, 8] x")
    proto = onnx.load(path)
    weights = onnx.numpy_helper.to_array(proto.graph.initializer[0])
    proto.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weights, "w"))
    onnx.save(proto, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    assert (tmp_path / "w.bin").exists()
    model = read_onnx(path).model
    (weight,) = model.graph.initializers.values()
    np.testing.assert_array_equal(weight.const_value.numpy().ravel(), [1, 2, 3, 4, 5, 6])


def test_external_data_outside_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(24))
    folder = tmp_path / "model"
    folder.mkdir()
    path = saved(folder, "float[N, 3, 8, 8] x")
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.ClearField("float_data")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret.bin")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UnsupportedModel, match=r"net\.onnx is not a valid ONNX model"):
        read_onnx(path)


@pytest.mark.parametrize("opset", [9, 11, 13, 17])
def test_older_operator_sets_are_brought_up_to_date(tmp_path: Path, opset: int) -> None:
    model = read_onnx(saved(tmp_path, "float[N, 3, 8, 8] x", opset=opset)).model
    assert model.opset_imports[""] >= 18


def test_an_onnx_file_becomes_a_bundle(tmp_path: Path) -> None:
    from edgecnn_exporters.bundle.requests import Request
    from edgecnn_exporters.export import export_onnx

    head = "{ c = Conv (x, w) p = GlobalAveragePool (c) y = Flatten (p) }"
    body = BODY.replace("{ y = Conv (x, w) }", head)
    path = saved(tmp_path, "float[N, 3, 8, 8] x", body)
    proto = onnx.load(path)
    del proto.graph.output[0].type.tensor_type.shape.dim[2:]
    onnx.save(proto, path)
    model = read_onnx(path)
    spec = image_input(model.model, "net.onnx", None)
    unit = Preprocess("RGB", (8, 8), "bilinear", None, 1 / 255, (0.0,) * 3, (1.0,) * 3)
    exported = export_onnx(
        model, Request("net", spec, unit), tmp_path / "net.edge", lambda stage: None
    )
    assert exported.difference.relative < 1e-6
    with Bundle(tmp_path / "net.edge") as bundle:
        assert bundle.manifest.inputs == (spec,)
        assert bundle.labels() == ("class 0", "class 1")
