"""The folder shows the difference by itself, in a process that has never heard of edgecnn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from parity.faults.in_files import FILE_FAULTS
from parity.faults.networks import quantised, shipped, tflite
from parity.faults.planting import change

from edgecnn_exporters.diagnose.diagnose import diagnose
from edgecnn_exporters.diagnose.diagnosis import Diagnosis
from edgecnn_exporters.diagnose.openvino_suspect import OpenVinoSuspect
from edgecnn_exporters.diagnose.reproduce import write_reproduction
from edgecnn_exporters.diagnose.sources import OnnxSuspect
from edgecnn_exporters.diagnose.tflite.suspect import TfliteSuspect
from edgecnn_exporters.errors import OutputNotWritable
from edgecnn_exporters.targets.openvino.write import write_openvino


def diagnosed(kind: str) -> Diagnosis:
    built = shipped("resnet20")
    if kind == "onnx":
        bad = built.model.clone()
        change(bad, "layer2.1.conv1.bias", lambda bias: np.roll(bias, 1))
        found = diagnose(built.model, OnnxSuspect(bad, "fp32"), built.feeds)
    elif kind == "openvino":
        bad = built.model.clone()
        change(bad, "layer2.1.conv1.bias", lambda bias: np.roll(bias, 1))
        made = write_openvino(bad, "fp32")
        suspect = OpenVinoSuspect(made.xml, made.weights, bad, "fp32")
        found = diagnose(built.model, suspect, built.feeds)
    else:
        precision = kind.removeprefix("tflite ")
        fault = next(fault for fault in FILE_FAULTS if fault.precision == precision)
        reference = built.model if precision == "fp32" else quantised(built)
        bad_file = TfliteSuspect(fault.plant(tflite(built, precision)), precision)
        found = diagnose(reference, bad_file, built.feeds)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", ["onnx", "openvino", "tflite fp32", "tflite int8"])
def test_the_script_shows_the_difference_by_itself(tmp_path: Path, kind: str) -> None:
    found = diagnosed(kind)
    paths = write_reproduction(found, tmp_path / "case")
    script = tmp_path / "case" / "reproduce.py"
    assert script in paths
    assert "edgecnn" not in script.read_text()
    done = subprocess.run(
        [sys.executable, "-I", script], capture_output=True, text=True, check=True, timeout=120
    )
    expected = np.load(tmp_path / "case" / "expected.npy")
    error = np.abs(np.load(tmp_path / "case" / "found.npy") - expected).max()
    assert f"largest error {error:.3g} of {np.abs(expected).max():.3g}" in done.stdout
    assert found.sentence in (tmp_path / "case" / "README.md").read_text()


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputNotWritable, match="choose another folder"):
        write_reproduction(diagnosed("onnx"), tmp_path / "file" / "case")
