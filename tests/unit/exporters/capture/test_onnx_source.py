from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from edgecnn_exporters.capture.onnx_source import image_input, read_onnx
from edgecnn_exporters.capture.reference import run_model, to_bytes
from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.passes import canonicalise
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.tensor_spec import TensorSpec

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
        ("float[N, 1, H, 8] x", None, "--input 1x1x224x8$"),
        ("float[N, 3, 8, 8] x, float[1] z", None, "2 inputs"),
    ],
)
def test_an_input_that_is_no_image_of_known_size_is_refused(
    tmp_path: Path, inputs: str, said: tuple[int, int, int] | None, says: str
) -> None:
    with pytest.raises(UnsupportedModel, match=says):
        image_input(read_onnx(saved(tmp_path, inputs)).model, "net.onnx", said)


def test_sizes_that_are_given_become_those_of_the_model(tmp_path: Path) -> None:
    model = read_onnx(saved(tmp_path, "float[N, 3, H, W] x")).model
    assert image_input(model, "net.onnx", (3, 5, 6), 4).shape == (4, 3, 5, 6)
    assert model.graph.inputs[0].shape == [4, 3, 5, 6]
    with pytest.raises(UnsupportedModel, match="its batch is 4, --batch says 2"):
        image_input(model, "net.onnx", None, 2)


def test_a_size_below_1_is_a_dynamic_one(tmp_path: Path) -> None:
    path = saved(tmp_path, "float[N, 3, 8, 8] x")
    proto = onnx.load(path)
    for value, batch in ((proto.graph.input[0], -1), (proto.graph.output[0], 0)):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    onnx.save(proto, path)
    source = read_onnx(path)
    assert image_input(source.model, "net.onnx", None).shape == (None, 3, 8, 8)
    answer = run_model(source.original, [np.ones((2, 3, 8, 8), np.float32)])
    assert answer.batches[0][1]["y"].shape == (2, 2, 8, 8)


@pytest.mark.parametrize("opset", [11, 18])
def test_noted_sizes_of_a_pool_that_onnx_counts_wrongly_are_no_fault_of_the_file(
    tmp_path: Path, opset: int
) -> None:
    # Windows begin at -1, 2, 5, and at 8 behind the image, which is none.
    text = f"""<ir_version: 7, opset_import: ["": {opset}]>
    g (float[1, 3, 7, 7] x) => (float[1, 3, 3, 3] y)
    {{ y = MaxPool <kernel_shape = [2, 2], strides = [3, 3], pads = [1, 1, 1, 1], ceil_mode = 1>
    (x) }}"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "net.onnx")
    model = read_onnx(tmp_path / "net.onnx").model
    assert canonicalise(model).changed
    assert model.graph.outputs[0].shape == [1, 3, 3, 3]


OLD = [
    (mode, scales, opset)
    for mode, scales in (
        ("nearest", [1.0, 1.0, 2.0, 2.0]),
        ("nearest", [1.0, 1.0, 1.7, 2.3]),
        ("linear", [1.0, 1.0, 1.5, 2.0]),
        ("nearest", [1.0, 1.0, 0.7, 0.4]),
        ("nearest", [1.0, 1.0, 0.7, 1.7]),
        ("linear", [1.0, 1.0, 0.5, 1.7]),
    )
    for opset in (7, 9, 10)
    if opset == 10 or min(scales) >= 1  # Upsample only enlarges
]


@pytest.mark.parametrize(("mode", "scales", "opset"), OLD)
def test_old_resizing_places_pixels_as_onnx_runtime_does(
    tmp_path: Path, mode: str, scales: list[float], opset: int
) -> None:
    size = [1, 2, *(int(6 * scale) for scale in scales[2:])]
    call = f'Upsample <mode = "{mode}", scales = {scales}> (x)'
    if opset > 7:
        operator = "Upsample" if opset == 9 else "Resize"
        call = f'{operator} <mode = "{mode}"> (x, s)'
    text = f"""<ir_version: 7, opset_import: ["": {opset}]>
    g (float[1, 2, 6, 6] x) => (float{size} y)
    <float[4] s = {{{", ".join(map(str, scales))}}}> {{ y = {call} }}"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "net.onnx")
    source = read_onnx(tmp_path / "net.onnx")
    image = np.random.default_rng(0).random((1, 2, 6, 6), np.float32)
    (expected,) = (answers["y"] for _, answers in run_model(source.original, [image]).batches)
    (found,) = (a["y"] for _, a in run_model(to_bytes(source.model), [image]).batches)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_way_of_resizing_that_opset_13_took_away_is_said_in_another(tmp_path: Path) -> None:
    text = """<ir_version: 7, opset_import: ["": 11]>
    g (float[1, 2, 6, 6] x) => (float[1, 2, 9, 4] y)
    <float[0] r = {}, float[4] s = {1.0, 1.0, 1.5, 0.7}> {
      y = Resize <coordinate_transformation_mode = "tf_half_pixel_for_nn", nearest_mode = "floor">
      (x, r, s) }"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "net.onnx")
    source = read_onnx(tmp_path / "net.onnx")
    image = np.random.default_rng(0).random((1, 2, 6, 6), np.float32)
    (expected,) = (answers["y"] for _, answers in run_model(source.original, [image]).batches)
    (found,) = (a["y"] for _, a in run_model(to_bytes(source.model), [image]).batches)
    np.testing.assert_array_equal(found, expected)
    (resize,) = (node for node in source.model.graph if node.op_type == "Resize")
    way = resize.attributes.get_string("coordinate_transformation_mode", "")
    assert way == "half_pixel"


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


def test_an_axis_of_minus_one_is_one_of_any_size(tmp_path: Path) -> None:
    path = saved(tmp_path, "float[N, 3, 8, 9] x")
    proto = onnx.load(path)
    for value in (proto.graph.input[0], proto.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = -1
    onnx.save(proto, path)
    spec = image_input(read_onnx(path).model, "net.onnx", None)
    assert spec == TensorSpec("x", "float32", (None, 3, 8, 9))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>404</html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a Git LFS pointer"),
        (b"", "is empty"),
    ],
)
def test_a_failed_download_is_called_so(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(UnsupportedModel, match=words):
        read_onnx(tmp_path / "net.onnx")
