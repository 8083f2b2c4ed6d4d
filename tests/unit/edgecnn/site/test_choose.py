"""Which artefact a page runs, and why a bundle has none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from conftest import contents

from edgecnn.errors import NotForPages
from edgecnn.site.choose import choose_artefact
from edgecnn.web.engines import native_file
from edgecnn_runtime.manifest import Artefact, Manifest
from edgecnn_runtime.tensor_spec import TensorSpec

ONNX = Artefact("model.onnx", "onnx", "fp32")
ONNX_INT8 = Artefact("model.int8.onnx", "onnx", "int8")
TFLITE = Artefact("model.tflite", "tflite", "fp32", layout="NHWC")
TFLITE_INT8 = Artefact("model.int8.tflite", "tflite", "int8", layout="NHWC")
INT8_ENDS = replace(TFLITE_INT8, encodings={"input": (0.1, 0), "logits": (0.1, 0)})
COMPILED = replace(TFLITE_INT8, path="npu/ethos-u55-128/model.tflite", target="ethos-u55-128")
PLAN = Artefact("model.int8.plan", "plan", "int8")
OPENVINO = Artefact("model.xml", "openvino", "fp32", weights="model.bin")


def manifest(*artefacts: Artefact) -> Manifest:
    return replace(contents()[0], artefacts=artefacts)


@pytest.mark.parametrize(
    ("artefacts", "chosen", "engine"),
    [
        ((ONNX, ONNX_INT8, TFLITE, TFLITE_INT8), "model.int8.tflite", "litert.js"),
        ((ONNX, ONNX_INT8, TFLITE, INT8_ENDS), "model.tflite", "litert.js"),
        ((COMPILED, ONNX_INT8, ONNX), "model.onnx", "onnxruntime-web"),
        ((OPENVINO, ONNX_INT8), "model.int8.onnx", "onnxruntime-web"),
    ],
)
def test_the_fastest_that_a_page_opens_is_chosen(
    artefacts: tuple[Artefact, ...], chosen: str, engine: str
) -> None:
    artefact, found = choose_artefact(manifest(*artefacts), "a.edge")
    assert (artefact.path, found.name) == (chosen, engine)


def test_a_plan_is_chosen_where_its_engine_is_there() -> None:
    artefact, engine = choose_artefact(manifest(ONNX, TFLITE_INT8, PLAN), "a.edge")
    expected = (PLAN, "native-web") if native_file() else (TFLITE_INT8, "litert.js")
    assert (artefact, engine.name) == expected
    assert choose_artefact(manifest(TFLITE_INT8, PLAN), "a.edge", None, "native-web")[0] == PLAN


def test_precision_and_engine_can_be_asked_for() -> None:
    every = manifest(ONNX, ONNX_INT8, TFLITE, TFLITE_INT8)
    assert choose_artefact(every, "a.edge", "fp32")[0] == TFLITE
    assert choose_artefact(every, "a.edge", engine="onnxruntime-web")[0] == ONNX
    assert choose_artefact(every, "a.edge", "int8", "onnxruntime-web")[0] == ONNX_INT8


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (manifest(OPENVINO), "nothing that a page runs: model.xml (openvino, fp32); export it"),
        (manifest(INT8_ENDS), "export it again without --tflite-io int8"),
        (replace(manifest(ONNX), preprocess=None), "has no preprocessing (--preprocess), which"),
        (replace(manifest(ONNX), postprocess=None), "has no labels (--labels), which a page needs"),
        (replace(manifest(ONNX), outputs=()), "has 1 inputs and 0 outputs, expected one image in"),
        (
            replace(manifest(ONNX), inputs=(TensorSpec("input", "float32", (4, 3, 4, 4)),)),
            "has batch 4, and a page classifies one image at a time; export it again with",
        ),
    ],
)
def test_a_bundle_without_anything_for_a_page_says_what_to_do(refused: Manifest, said: str) -> None:
    with pytest.raises(NotForPages) as raised:
        choose_artefact(refused, "a.edge")
    assert str(raised.value).startswith("a.edge has ")
    assert said in str(raised.value)
