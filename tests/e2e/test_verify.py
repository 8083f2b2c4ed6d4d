"""``edgecnn verify`` over several formats: equal, wrong, crashed and missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from e2e.conftest import EDGECNN, PHOTOGRAPHS, TINY, Run
from e2e.fork_server import ForkServer
from onnx import numpy_helper

from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.manifest import Manifest


@pytest.fixture(scope="module")
def every_format(tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer) -> Path:
    """A small network in all formats and precisions."""
    folder = tmp_path_factory.mktemp("formats")
    (folder / "nets.py").write_text(TINY)
    command = ["export", "nets:build", "--input", "1x3x32x32", "--preprocess", "unit"]
    int8 = ["--quantize", "int8", "--recipe", "fast", "--samples", "8", "--no-measure"]
    command += [*int8, "--target", "all", "-o", "tiny.edge"]
    ran = fork_server.run(EDGECNN, command, folder, os.environ)
    assert ran.returncode == 0, ran.stderr
    return folder / "tiny.edge"


def parts(path: Path) -> tuple[Manifest, dict[str, bytes]]:
    with Bundle(path) as bundle:
        return bundle.manifest, {name: bundle.read(name) for name in bundle.manifest.files}


def spoil_bias(model: bytes) -> bytes:
    """The first convolution's bias lies one channel off."""
    proto = onnx.load_from_string(model)
    name = next(node for node in proto.graph.node if node.op_type == "Conv").input[2]
    (bias,) = [tensor for tensor in proto.graph.initializer if tensor.name == name]
    bias.CopyFrom(numpy_helper.from_array(np.roll(numpy_helper.to_array(bias), 1), name))
    return proto.SerializeToString()


@pytest.fixture(scope="module")
def spoilt(every_format: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same whose TFLite file was made of another network."""
    import onnx_ir as ir

    from edgecnn_exporters.targets.tflite.write import write_tflite

    manifest, files = parts(every_format)
    wrong = ir.from_proto(onnx.load_from_string(spoil_bias(files["model.onnx"])))
    files["model.tflite"] = write_tflite(wrong).content
    path = tmp_path_factory.mktemp("spoilt") / "spoilt.edge"
    write_bundle(path, manifest, files)
    return path


def test_one_engine_or_several_can_be_chosen(edgecnn: Run, every_format: Path) -> None:
    for said, expected in (
        ("tflite", {"tflite"}),
        ("tflite,openvino", {"tflite", "openvino"}),
        ("all", {"tflite", "openvino", "onnxruntime", "native"}),
    ):
        ran = edgecnn("verify", every_format, "--engines", said, "--json")
        assert ran.returncode == 0, ran.stderr
        rows = json.loads(ran.stdout)["rows"]
        assert {row["engine"].split()[0] for row in rows if row["engine"]} == expected


def test_every_artefact_is_held_to_the_float_graph_on_pictures_too(
    edgecnn: Run, every_format: Path
) -> None:
    ran = edgecnn("verify", every_format, "--data", PHOTOGRAPHS, "--limit", "4", "--json")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)["pictures"]
    assert found["count"] == 4
    rows = {row["subject"]: row for row in found["rows"]}
    assert rows["model.onnx"]["difference"]["max_abs"] == 0
    assert rows["model.tflite"]["difference"]["relative"] < 1e-5
    assert rows["model.int8.tflite"]["within_a_step"] == 1
    assert rows["model.int8.onnx"]["within_a_step"] is None


def test_what_differs_is_named_to_the_node_with_its_cause(edgecnn: Run, spoilt: Path) -> None:
    ran = edgecnn("verify", spoilt)
    assert ran.returncode == 3
    (wrong,) = [line for line in ran.stdout.splitlines() if " differs " in line]
    assert wrong.startswith("model.tflite ")
    assert "bias" in ran.stdout.partition("golden examples")[2]
    assert "one channel" in ran.stdout


def test_the_cause_is_written_as_one_node_that_runs_alone(
    edgecnn: Run, spoilt: Path, tmp_path: Path
) -> None:
    ran = edgecnn("verify", spoilt, "--reproduce", "wrong")
    assert ran.returncode == 3
    folder = tmp_path / "wrong/model.tflite"
    alone = subprocess.run(
        [sys.executable, "reproduce.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert alone.returncode == 0, alone.stderr
    assert "largest error" in alone.stdout


def test_no_cause_is_looked_for_where_nobody_wants_one(edgecnn: Run, spoilt: Path) -> None:
    ran = edgecnn("verify", spoilt, "--no-diagnose", "--json")
    assert ran.returncode == 3
    assert json.loads(ran.stdout)["findings"] == []


def test_an_artefact_that_no_engine_opens_is_a_row_and_the_others_go_on(
    edgecnn: Run, every_format: Path, tmp_path: Path
) -> None:
    manifest, files = parts(every_format)
    files["model.tflite"] = b"\x1c\x00\x00\x00TFL3" + bytes(200)
    write_bundle(tmp_path / "broken.edge", replace(manifest), files)
    ran = edgecnn("verify", "broken.edge", "--json")
    assert ran.returncode == 3
    rows = {row["subject"]: row for row in json.loads(ran.stdout)["rows"]}
    assert rows["model.tflite"]["verdict"] in ("differs", "crashed")
    assert rows["model.xml"]["verdict"] == "equal"
    assert "Traceback" not in ran.stdout + ran.stderr
