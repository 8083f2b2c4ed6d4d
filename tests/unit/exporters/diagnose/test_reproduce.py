"""The reproduction shows the difference by itself, without edgecnn."""

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
from edgecnn_exporters.diagnose.openvino_candidate import OpenVinoCandidate
from edgecnn_exporters.diagnose.reproduce import write_reproduction
from edgecnn_exporters.diagnose.sources import OnnxCandidate
from edgecnn_exporters.diagnose.tflite.candidate import TfliteCandidate
from edgecnn_exporters.targets.openvino.write import write_openvino
from edgecnn_runtime.errors import OutputNotWritable

# The networks are built and quantised once, by one worker.
pytestmark = pytest.mark.xdist_group("networks for faults")


def diagnosed(kind: str) -> Diagnosis:
    built = shipped("resnet20")
    if kind == "onnx":
        bad = built.model.clone()
        change(bad, "layer2.1.conv1.bias", lambda bias: np.roll(bias, 1))
        diagnosis = diagnose(built.model, OnnxCandidate(bad, "fp32"), built.feeds)
    elif kind == "openvino":
        bad = built.model.clone()
        change(bad, "layer2.1.conv1.bias", lambda bias: np.roll(bias, 1))
        made = write_openvino(bad, "fp32")
        candidate = OpenVinoCandidate(made.xml, made.weights, bad, "fp32")
        diagnosis = diagnose(built.model, candidate, built.feeds)
    else:
        precision = kind.removeprefix("tflite ")
        fault = next(fault for fault in FILE_FAULTS if fault.precision == precision)
        reference = built.model if precision == "fp32" else quantised(built)
        bad_file = TfliteCandidate(fault.plant(tflite(built, precision)), precision)
        diagnosis = diagnose(reference, bad_file, built.feeds)
    assert diagnosis is not None
    return diagnosis


@pytest.mark.parametrize("kind", ["onnx", "openvino", "tflite fp32", "tflite int8"])
def test_the_script_shows_the_difference_by_itself(tmp_path: Path, kind: str) -> None:
    diagnosis = diagnosed(kind)
    paths = write_reproduction(diagnosis, tmp_path / "case")
    script = tmp_path / "case" / "reproduce.py"
    assert script in paths
    assert "edgecnn" not in script.read_text()
    done = subprocess.run(
        [sys.executable, "-I", script], capture_output=True, text=True, check=True, timeout=120
    )
    expected = np.load(tmp_path / "case" / "expected.npy")
    error = np.abs(np.load(tmp_path / "case" / "found.npy") - expected).max()
    assert f"largest error {error:.3g} of {np.abs(expected).max():.3g}" in done.stdout
    assert diagnosis.sentence in (tmp_path / "case" / "README.md").read_text()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputNotWritable, match="choose another folder"):
        write_reproduction(diagnosed("onnx"), tmp_path / "file" / "case")
