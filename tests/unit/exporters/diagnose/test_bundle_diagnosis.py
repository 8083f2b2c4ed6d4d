"""Diagnosis of an artefact in a bundle, and of its preprocessing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from parity.faults.in_files import FILE_FAULTS
from parity.faults.networks import shipped, tflite

from edgecnn_exporters.capture.examples import example_images
from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.diagnose.bundle_diagnosis import (
    diagnose_artefact,
    diagnose_bundle_preprocessing,
)
from edgecnn_exporters.diagnose.sources import run_onnx
from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import npy, write_bundle
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Artefact, Golden, Manifest, Preprocess
from edgecnn_runtime.tensor_spec import TensorSpec

# The networks are built and quantised once, by one worker.
pytestmark = pytest.mark.xdist_group("networks for faults")

ONNX = Artefact("model.onnx", "onnx", "fp32")
TFLITE = Artefact("model.tflite", "tflite", "fp32")
# The schema of `edgecnn verify --json`: scripts read these keys.
JSON_KEYS = [
    *("node", "operator", "suspect", "cause", "sentence", "remedy", "is_confirmed"),
    *("isolated", "after", "allowance", "also", "reference"),
]


def bundle(
    path: Path, artefacts: tuple[Artefact, ...], preprocessing: Preprocess | None = None
) -> Path:
    """A bundle of a good ONNX file and a TFLite file whose padding is wrong."""
    built = shipped("resnet20")
    assert built.preprocess is not None
    image = example_images(1)[0]
    feed = preprocess(image, built.preprocess)
    files = {
        "model.onnx": to_bytes(built.model),
        "model.tflite": FILE_FAULTS[0].plant(tflite(built, "fp32")),
        "input.npy": npy(feed),
        "output.npy": npy(run_onnx(built.model, ["logits"], {"input": feed})[0]),
        "image.npy": npy(image),
    }
    files = {
        name: content
        for name, content in files.items()
        if name.endswith(".npy") or name in {artefact.path for artefact in artefacts}
    }
    manifest = Manifest(
        name="resnet20",
        inputs=(TensorSpec("input", "float32", (None, 3, 32, 32)),),
        outputs=(TensorSpec("logits", "float32", (None, 10)),),
        artefacts=artefacts,
        files={},
        preprocess=preprocessing or built.preprocess,
        golden=(Golden({"input": "input.npy"}, {"logits": "output.npy"}, "image.npy"),),
        provenance={"command": "by hand"},
    )
    write_bundle(path, manifest, files)
    return path


def test_an_artefact_is_compared_with_the_float_graph_of_its_bundle(tmp_path: Path) -> None:
    with Bundle(bundle(tmp_path / "a.edge", (ONNX, TFLITE))) as opened:
        assert diagnose_artefact(opened, ONNX) is None
        diagnosis = diagnose_artefact(opened, TFLITE)
    assert diagnosis is not None
    assert diagnosis.node == "layer2.0.conv1"
    assert diagnosis.cause == "layout or padding"
    assert "pads are 0,0,1,1 where the original has 1,1,1,1" in diagnosis.words()
    document = json.loads(json.dumps(diagnosis.to_json(), allow_nan=False))
    assert document["node"] == "layer2.0.conv1"
    assert document["is_confirmed"] is True
    assert list(document) == JSON_KEYS


def test_a_bundle_without_a_float_graph_is_refused_with_the_next_step(tmp_path: Path) -> None:
    path = bundle(tmp_path / "a.edge", (TFLITE,))
    with Bundle(path) as opened, pytest.raises(UnsupportedModel, match="export it again"):
        diagnose_artefact(opened, TFLITE)


def test_preprocessing_is_compared_with_the_golden_input(tmp_path: Path) -> None:
    spec = shipped("resnet20").preprocess
    assert spec is not None
    with Bundle(bundle(tmp_path / "a.edge", (ONNX,))) as opened:
        assert diagnose_bundle_preprocessing(opened) is None
    wrong = replace(spec, colour="BGR")
    with Bundle(bundle(tmp_path / "b.edge", (ONNX,), wrong)) as opened:
        diagnosis = diagnose_bundle_preprocessing(opened)
    assert diagnosis is not None
    assert diagnosis.cause == "preprocessing"
    assert diagnosis.is_confirmed
    assert diagnosis.fix == "set colour RGB in the manifest's preprocess"
