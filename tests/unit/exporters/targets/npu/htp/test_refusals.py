"""Qualcomm's toolchain missing, not accepted, of another version, or failing: without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from unit.exporters.targets.npu.htp.test_context_model import wrapper
from unit.exporters.targets.npu.support import answered, settings, vendor

from edgecnn_exporters.errors import CompilerFailed, CompilerMissing, LicenceNotAccepted
from edgecnn_exporters.targets.npu.htp.compiler import HtpCompiler
from edgecnn_exporters.targets.npu.htp.toolchain import QNN
from edgecnn_exporters.targets.profile import target_profile
from edgecnn_runtime.manifest import Artefact

PROFILE = target_profile("htp-v73")
NETWORK = answered(np.eye(4, dtype=np.float32), np.eye(4, dtype=np.float32))
PATH = "npu/htp-v73/model.onnx"
ARTEFACT = Artefact(
    PATH,
    "qnn-context",
    "int8",
    proof="simulated",
    compiler="onnxruntime-qnn 2.7.0, QNN v2.51.0",
    encodings=dict(NETWORK.uint8),
    target="htp-v73",
    companions=("npu/htp-v73/model_qnn.bin",),
)
FILES = {PATH: wrapper().SerializeToString(), "npu/htp-v73/model_qnn.bin": b"context"}


@pytest.fixture
def toolchain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A double of version 2.7.0, with its licence accepted."""
    program = vendor(tmp_path, "2.7.0", "QNN says no")
    monkeypatch.setenv(QNN.variable, str(program))


def test_a_missing_package_is_told_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(QNN.variable, str(tmp_path / "none/python"))
    with pytest.raises(CompilerMissing, match=r"not installed in .*pip install 'edgecnn\[htp\]'"):
        HtpCompiler().compile(NETWORK, PROFILE, settings(tmp_path))
    proof = HtpCompiler().prove(NETWORK, ARTEFACT, FILES, PROFILE, settings(tmp_path))
    assert (proof.verdict, proof.difference, proof.kind) == ("skipped", None, "simulated")


@pytest.mark.usefixtures("toolchain")
def test_the_licence_has_to_be_accepted_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGECNN_ACCEPT_LICENCES", raising=False)
    with pytest.raises(LicenceNotAccepted, match=r"Qualcomm_LICENSE.pdf.*--accept-licence"):
        HtpCompiler().compile(NETWORK, PROFILE, settings(tmp_path))


def test_an_old_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(QNN.variable, str(vendor(tmp_path, "1.23.2", "")))
    with pytest.raises(CompilerMissing, match=r"1.23.2 is older than 2.5.0"):
        HtpCompiler().compile(NETWORK, PROFILE, settings(tmp_path, QNN.name))


@pytest.mark.usefixtures("toolchain")
def test_a_failure_of_the_compiler_is_one_line_that_names_the_log(tmp_path: Path) -> None:
    with pytest.raises(CompilerFailed, match=r"htp-v73 failed: QNN says no; its messages are in"):
        HtpCompiler().compile(NETWORK, PROFILE, settings(tmp_path, QNN.name))


@pytest.mark.usefixtures("toolchain")
def test_files_of_another_version_that_do_not_load_prove_nothing(tmp_path: Path) -> None:
    other = replace(ARTEFACT, compiler="onnxruntime-qnn 2.9.0, QNN v2.60.0")
    proof = HtpCompiler().prove(NETWORK, other, FILES, PROFILE, settings(tmp_path, QNN.name))
    assert proof.verdict == "skipped"
    assert proof.kind == "simulated"
    assert "compiled with onnxruntime-qnn 2.9.0" in proof.note
    assert "onnxruntime-qnn 2.7.0 here cannot load it" in proof.note
    with pytest.raises(CompilerFailed, match=r"QNN says no"):
        HtpCompiler().prove(NETWORK, ARTEFACT, FILES, PROFILE, settings(tmp_path, QNN.name))


def test_a_binary_that_the_manifest_does_not_list_is_told(tmp_path: Path) -> None:
    bare = replace(ARTEFACT, companions=())
    with pytest.raises(CompilerFailed, match=r"reads 'model_qnn.bin', which the bundle does not"):
        HtpCompiler().prove(NETWORK, bare, FILES, PROFILE, settings(tmp_path))


def test_an_artefact_without_encodings_is_told(tmp_path: Path) -> None:
    bare = replace(ARTEFACT, encodings={"x": (0.5, 128)})
    with pytest.raises(CompilerFailed, match=r"has no encoding for 'y'; compile again"):
        HtpCompiler().prove(NETWORK, bare, FILES, PROFILE, settings(tmp_path))


def test_the_worker_imports_nothing_of_edgecnn() -> None:
    from edgecnn_exporters.targets.npu.htp import compiler
    from edgecnn_exporters.targets.npu.rockchip import compiler as rockchip

    for script in (compiler.WORKER, rockchip.WORKER):
        text = script.read_text(encoding="utf-8")
        assert "import edgecnn" not in text
        assert "from edgecnn" not in text
        assert script.name not in ("rknn.py", "onnxruntime.py")
