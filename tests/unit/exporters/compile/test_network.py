"""The integer network that compilers are given, and the bundles that hold none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from unit.exporters.targets.tflite.integer_support import IMAGES, encode, quantised

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.compile.network import read_network
from edgecnn_exporters.errors import NotQuantised, UnsupportedModel
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import npy, write_bundle
from edgecnn_runtime.engines.tflite_reference import TFLiteReferenceEngine
from edgecnn_runtime.manifest import Artefact, ChannelGroup, Golden, Manifest
from edgecnn_runtime.tensor_spec import TensorSpec

LOGITS = "f = Flatten (x) [fc] y = Gemm <transB = 1> (f, wide, offset)"
INT8 = Artefact("model.int8.onnx", "onnx", "int8", sqnr_db={"y": (20.0,)})


def bundle_of(folder: Path, model: ir.Model, batch: int | None = None, **fields: object) -> Path:
    """A bundle with a QDQ graph and one golden example."""
    image = np.repeat(IMAGES[0], batch or 1, axis=0)
    answer = ValueProbe(model, ["y"]).run(image)["y"]
    manifest = Manifest(
        name="small",
        inputs=(TensorSpec("x", "float32", (batch, 6, 8, 8)),),
        outputs=(TensorSpec("y", "float32", (batch, 10)),),
        artefacts=(INT8,),
        files={},
        groups={"y": (ChannelGroup(1, ((0, 10),), -10.0, 10.0),)},
        golden=(Golden({"x": "golden/x.npy"}, {"y": "golden/y.npy"}),),
    )
    files = {
        "model.int8.onnx": to_bytes(model),
        "golden/x.npy": npy(image),
        "golden/y.npy": npy(answer),
    }
    path = folder / "small.edge"
    write_bundle(path, replace(manifest, **fields), files)  # type: ignore[arg-type]
    return path


def test_all_forms_answer_within_a_step_of_one_another(tmp_path: Path) -> None:
    with Bundle(bundle_of(tmp_path, quantised(LOGITS, "float[N, K] y"))) as bundle:
        network = read_network(bundle)
    scale, zero_point = network.uint8["y"]
    (example,), (cpu,) = network.examples, network.cpu_int8
    assert np.abs(cpu["y"] - example.outputs["y"]).max() <= 0.51 * scale
    model = ir.from_proto(onnx.load_from_string(network.onnx_uint8))
    found = ValueProbe(model, ["y"]).run(encode(network.uint8["x"], IMAGES[0], "uint8"))["y"]
    reals = (found.astype(np.float32) - zero_point) * np.float32(scale)
    np.testing.assert_array_equal(reals, cpu["y"])
    engine = TFLiteReferenceEngine.open(network.tflite)
    encodings = network.tflite_entry.encodings
    fed = encode(encodings["x"], IMAGES[0].transpose(0, 2, 3, 1), "int8")
    signed = engine.run({"x": np.ascontiguousarray(fed)})["y"]
    assert np.abs(signed.astype(int) + 128 - found.astype(int)).max() <= 1
    assert encodings["y"] == (scale, zero_point - 128)


def test_a_dynamic_batch_is_compiled_for_one_image(tmp_path: Path) -> None:
    with Bundle(bundle_of(tmp_path, quantised(LOGITS, "float[N, K] y"))) as bundle:
        network = read_network(bundle)
    model = ir.from_proto(onnx.load_from_string(network.onnx))
    assert [list(value.shape or ()) for value in model.graph.inputs] == [[1, 6, 8, 8]]


def test_a_bundle_without_int8_says_how_to_get_it(tmp_path: Path) -> None:
    path = bundle_of(tmp_path, quantised(LOGITS, "float[N, K] y"))
    plain = replace(INT8, precision="fp32", sqnr_db={})
    path = bundle_of(tmp_path, quantised(LOGITS, "float[N, K] y"), artefacts=(plain,))
    with Bundle(path) as bundle, pytest.raises(NotQuantised, match="with --quantize int8") as told:
        read_network(bundle)
    assert "model.int8.onnx" in str(told.value)


def test_a_result_that_stays_float_is_named(tmp_path: Path) -> None:
    model = quantised(LOGITS, "float[N, K] y").clone()
    model.graph.outputs[0].metadata_props.clear()
    with (
        Bundle(bundle_of(tmp_path, model)) as bundle,
        pytest.raises(NotQuantised, match=r"output y stays float \(no 8-bit encoding was measured"),
    ):
        read_network(bundle)


def test_a_bundle_that_has_learnt_says_how_its_results_get_8_bits(tmp_path: Path) -> None:
    model = quantised(LOGITS, "float[N, K] y").clone()
    model.graph.outputs[0].metadata_props.clear()
    path = bundle_of(tmp_path, model, provenance={"learnt": [{"steps": 3}]})
    with Bundle(path) as bundle, pytest.raises(NotQuantised, match=r"bundle extract .* -o DIR"):
        read_network(bundle)


def test_an_input_that_is_read_as_float_is_named_with_its_bundle(tmp_path: Path) -> None:
    model = quantised(LOGITS, "float[N, K] y").clone()
    image = model.graph.inputs[0]
    to = next(use.node for use in image.uses())
    before = ir.node("Clip", [image], name="cut")
    model.graph.insert_before(to, before)
    to.replace_input_with(0, before.outputs[0])
    with (
        Bundle(bundle_of(tmp_path, model)) as bundle,
        pytest.raises(UnsupportedModel, match=r"small\.edge: input x .* Clip cut reads it") as told,
    ):
        read_network(bundle)
    assert "--allow-cpu cannot help" in str(told.value)


def test_a_fixed_batch_of_several_images_is_refused(tmp_path: Path) -> None:
    model = quantised(LOGITS, "float[N, K] y").clone()
    model.graph.inputs[0].shape = ir.Shape([4, 6, 8, 8])
    with (
        Bundle(bundle_of(tmp_path, model, 4)) as bundle,
        pytest.raises(UnsupportedModel, match=r"has batch 4, .* --batch 1 or --batch dynamic"),
    ):
        read_network(bundle)
