"""Qualcomm's own compiler and simulator, on a small classifier."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from unit.exporters.targets.npu.support import (
    interpreter,
    replace_operator,
    settings,
    small_network,
)

from edgecnn_exporters.errors import CompilerFailed
from edgecnn_exporters.targets.compilers import Compiled, IntegerNetwork
from edgecnn_exporters.targets.npu.htp.compiler import HtpCompiler
from edgecnn_exporters.targets.npu.htp.toolchain import QNN
from edgecnn_exporters.targets.profile import TargetProfile, target_profile
from edgecnn_runtime.errors import ExternalData

PYTHON = interpreter(QNN.variable, ".venv-htp")
pytestmark = [
    pytest.mark.matrix,
    pytest.mark.skipif(
        not PYTHON.exists(),
        reason="there is no .venv-htp with onnxruntime-qnn; make test-rest makes it on Linux with "
        "glibc 2.35 or newer, or name an interpreter in EDGECNN_QNN_PYTHON",
    ),
]
COMPILER = HtpCompiler()


@pytest.fixture(autouse=True)
def python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(QNN.variable, str(PYTHON))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> IntegerNetwork:
    return small_network(tmp_path_factory.mktemp("network"))


def compiled(network: IntegerNetwork, target: str, folder: Path) -> Compiled:
    profile = target_profile(target)
    return COMPILER.compile(network, profile, settings(folder, QNN.name))


@pytest.mark.parametrize("target", ["htp-v68", "htp-v73", "htp-v81", "qcs6490"])
def test_the_shipped_files_answer_in_the_simulator(
    network: IntegerNetwork, target: str, tmp_path: Path
) -> None:
    made = compiled(network, target, tmp_path)
    profile = target_profile(target)
    folder = f"npu/{profile.name}"
    assert set(made.files) == {f"{folder}/model.onnx", f"{folder}/model_qnn.bin"}
    assert made.on_cpu == ()
    assert made.report["compiled_for"][0]["htp_arch"] == f"V{profile.settings['htp_arch']}"
    # No library of Qualcomm's is in it, and no path of this machine.
    assert not any(str(tmp_path).encode() in content for content in made.files.values())
    proof = COMPILER.prove(
        network, made.artefact, made.files, profile, settings(tmp_path, QNN.name)
    )
    assert (proof.verdict, proof.kind) == ("equal", "simulated")
    assert proof.difference is not None
    assert proof.difference.sqnr_db > 20


def test_pooling_of_36_channels_is_right_in_the_last_four(tmp_path: Path) -> None:
    body = (
        "c = Concat <axis = 1> (x, x, x, x, x, x) "
        "p = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (c) y = Flatten (p)"
    )
    pooled = small_network(tmp_path, body, 36 * 4 * 4)
    weights = onnx.load_from_string(pooled.onnx_uint8).graph.initializer
    assert [36, 1, 2, 2] in [list(each.dims) for each in weights]
    made = compiled(pooled, "htp-v73", tmp_path)
    proof = COMPILER.prove(
        pooled, made.artefact, made.files, target_profile("htp-v73"), settings(tmp_path, QNN.name)
    )
    assert proof.verdict == "equal"


def test_another_networks_files_differ(network: IntegerNetwork, tmp_path: Path) -> None:
    other = small_network(tmp_path, "f = Flatten (x) [fc] y = Gemm <transB = 1> (f, wide, offset)")
    made = compiled(other, "htp-v73", tmp_path)
    again = tmp_path / "again"
    again.mkdir()
    proof = COMPILER.prove(
        replace(network, uint8=other.uint8),
        made.artefact,
        made.files,
        target_profile("htp-v73"),
        settings(again, QNN.name),
    )
    assert proof.verdict == "differs"


def test_an_operator_that_the_npu_lacks_is_named_and_the_rest_still_runs_there(
    network: IntegerNetwork, tmp_path: Path
) -> None:
    changed, node = replace_operator(network, "Sigmoid", "Erf")
    made = compiled(changed, "htp-v75", tmp_path)
    (left,) = made.on_cpu
    assert (left.node, left.operator) == (node, "Erf")
    assert "not supported by QNN EP" in left.reason
    assert made.artefact.on_cpu == {"Erf": 1}
    proof = COMPILER.prove(
        changed,
        made.artefact,
        made.files,
        target_profile("htp-v75"),
        settings(tmp_path, QNN.name),
    )
    assert proof.difference is not None


def test_an_architecture_that_the_libraries_do_not_know_is_no_silent_v68(
    network: IntegerNetwork, tmp_path: Path
) -> None:
    unknown = TargetProfile("htp-v77", "htp", "", "", settings={"htp_arch": 77})
    with pytest.raises(CompilerFailed, match="expected V77"):
        COMPILER.compile(network, unknown, settings(tmp_path, QNN.name))


def test_a_wrapper_that_points_elsewhere_never_reaches_the_libraries(
    network: IntegerNetwork, tmp_path: Path
) -> None:
    made = compiled(network, "htp-v73", tmp_path)
    model = onnx.load_from_string(made.files[made.artefact.path])
    for attribute in model.graph.node[0].attribute:
        if attribute.name == "ep_cache_context":
            attribute.s = b"../../secret.bin"
    files = {**made.files, made.artefact.path: model.SerializeToString()}
    profile = target_profile("htp-v73")
    with pytest.raises(ExternalData, match="expected the name of a file beside it"):
        COMPILER.prove(network, made.artefact, files, profile, settings(tmp_path, QNN.name))


def test_the_name_of_a_bundle_is_no_path(network: IntegerNetwork, tmp_path: Path) -> None:
    victim = tmp_path / "victim.onnx"
    victim.write_bytes(b"precious")
    named = replace(network, about=replace(network.about, name=str(victim.with_suffix(""))))
    assert compiled(named, "htp-v73", tmp_path).files
    assert victim.read_bytes() == b"precious"
