"""Rockchip's toolkit missing or failing, and its own compiler and simulator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx.parser
import pytest
from unit.exporters.targets.npu.support import (
    BODY,
    answered,
    interpreter,
    replace_operator,
    settings,
    small_network,
    vendor,
)

from edgecnn_exporters.errors import CompilerFailed, CompilerMissing
from edgecnn_exporters.targets.compilers import IntegerNetwork
from edgecnn_exporters.targets.npu.rockchip.compiler import RockchipCompiler
from edgecnn_exporters.targets.npu.rockchip.toolchain import RKNN
from edgecnn_exporters.targets.profile import TargetProfile, target_profile
from edgecnn_runtime.manifest import Artefact

PYTHON = interpreter(RKNN.variable, ".venv-rknn")
needs_toolkit = pytest.mark.skipif(
    not PYTHON.exists(),
    reason="there is no .venv-rknn with rknn-toolkit2; make test-rest makes it with Python 3.11 on "
    "Linux, or name an interpreter in EDGECNN_RKNN_PYTHON",
)
COMPILER = RockchipCompiler()
NETWORK = answered(np.eye(4, dtype=np.float32), np.eye(4, dtype=np.float32))
ARTEFACT = Artefact(
    "npu/rk3588/model.rknn", "rknn", "int8", proof="simulated", compiler="rknn-toolkit2 2.4.0"
)
ENDS = (
    b"RKNN {'attrs': {}, 'quant_tab': {"
    # The toolkit's symmetric form of scale 0.5: times 128 / 127.
    b"'x': {'dtype': 'int8', 'scale': [0.5039370059967041], 'zero_point': [0]}, "
    b"'y': {'dtype': 'int8', 'scale': [%s], 'zero_point': [-28]}}}\0"
)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> IntegerNetwork:
    return small_network(tmp_path_factory.mktemp("network"))


def test_a_missing_toolkit_is_told_with_where_the_commands_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RKNN.variable, str(tmp_path / "none/python"))
    profile = target_profile("rk3588")
    with pytest.raises(CompilerMissing, match=r"docs/npu/rockchip\.md .* --rknn-python PATH"):
        COMPILER.compile(NETWORK, profile, settings(tmp_path))
    files = {ARTEFACT.path: ENDS % b"0.25"}
    assert COMPILER.prove(NETWORK, ARTEFACT, files, profile, settings(tmp_path)).kind == (
        "simulated"
    )


def test_a_failure_of_the_toolkit_is_one_line_that_names_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RKNN.variable, str(vendor(tmp_path, "2.5.0", "building: no NPU for it")))
    with pytest.raises(CompilerFailed, match=r"failed: building: no NPU for it; its messages are"):
        COMPILER.compile(NETWORK, target_profile("rk3588"), settings(tmp_path))


def test_an_opset_that_the_toolkit_does_not_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RKNN.variable, str(vendor(tmp_path, "2.5.0", "not reached")))
    graph = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["": 21]> g (uint8[1] x) => (uint8[1] y) {y = Identity (x)}'
    )
    newer = replace(NETWORK, onnx_uint8=graph.SerializeToString())
    with pytest.raises(CompilerFailed, match=r"reads opset 19 at most, .* has 21.*--opset 18"):
        COMPILER.compile(newer, target_profile("rk3588"), settings(tmp_path))


def test_a_file_with_other_scales_than_the_graph_is_refused(tmp_path: Path) -> None:
    files = {ARTEFACT.path: ENDS % b"0.26"}
    with pytest.raises(CompilerFailed, match=r"scale 0.26 .* at 'y', expected 0.25 and -28"):
        COMPILER.prove(NETWORK, ARTEFACT, files, target_profile("rk3588"), settings(tmp_path))


@needs_toolkit
@pytest.mark.matrix
@pytest.mark.parametrize("target", ["rk3588", "rv1106"])
def test_the_simulator_answers_as_near_to_float_as_the_cpu(
    network: IntegerNetwork, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RKNN.variable, str(PYTHON))
    profile = target_profile(target)
    made = COMPILER.compile(network, profile, settings(tmp_path))
    assert made.on_cpu == ()
    scale, zero_point = network.uint8["y"]
    assert made.artefact.encodings["y"] == (pytest.approx(scale, rel=1e-6), zero_point - 128)
    assert made.report["layers"]["NPU"]
    again = tmp_path / "again"
    again.mkdir()
    proof = COMPILER.prove(network, made.artefact, made.files, profile, settings(again))
    assert (proof.verdict, proof.kind) == ("equal", "simulated")
    old = replace(made.artefact, compiler="rknn-toolkit2 2.3.2")
    other = COMPILER.prove(network, old, made.files, profile, settings(again))
    assert other.note.endswith("the file was compiled with rknn-toolkit2 2.3.2")


def symmetric(network: IntegerNetwork) -> IntegerNetwork:
    """The network with zero point 128 at its result, and a scale that covers the same range."""
    model = onnx.load_from_string(network.onnx_uint8)
    (last,) = (node for node in model.graph.node if node.output[0] == "y")
    scale, zero_point = network.uint8["y"]
    wider = np.float32(scale * max(zero_point, 255 - zero_point) / 127)
    for name, value in zip(last.input[1:], (wider, np.uint8(128)), strict=True):
        (held,) = (each for each in model.graph.initializer if each.name == name)
        held.CopyFrom(onnx.numpy_helper.from_array(np.asarray(value), name))
    encodings = {**network.uint8, "y": (float(wider), 128)}
    return replace(network, onnx_uint8=model.SerializeToString(), uint8=encodings)


@needs_toolkit
@pytest.mark.matrix
def test_zero_point_128_is_symmetric_in_the_file_and_its_manifest(
    network: IntegerNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RKNN.variable, str(PYTHON))
    profile = target_profile("rk3588")
    changed = symmetric(network)
    made = COMPILER.compile(changed, profile, settings(tmp_path))
    # The same range in steps of -127 to 127.
    scale = changed.uint8["y"][0] * 128 / 127
    assert made.artefact.encodings["y"] == (pytest.approx(scale, rel=1e-6), 0)
    proof = COMPILER.prove(changed, made.artefact, made.files, profile, settings(tmp_path))
    assert proof.verdict == "equal"


@needs_toolkit
@pytest.mark.matrix
@pytest.mark.parametrize("end", ["Softmax", "Sigmoid"])
def test_a_result_of_fixed_range_keeps_its_encoding(
    end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RKNN.variable, str(PYTHON))
    profile = target_profile("rk3588")
    ending = small_network(tmp_path, f"{BODY.replace('y = ', 'l = ')} y = {end} (l)")
    made = COMPILER.compile(ending, profile, settings(tmp_path))
    assert made.artefact.encodings["y"] == (1 / 256, -128)
    proof = COMPILER.prove(ending, made.artefact, made.files, profile, settings(tmp_path))
    assert proof.verdict == "equal"


@needs_toolkit
@pytest.mark.matrix
@pytest.mark.parametrize(("pads", "on_cpu"), [("behind", ["Pad"]), ("around", [])])
def test_channels_padded_on_one_side_are_named_with_a_mending(
    pads: str, on_cpu: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RKNN.variable, str(PYTHON))
    doubled = f"m = Pad (d, {pads}) t = Concat <axis = 1> (d, b) q = Add (t, m)"
    body = BODY.replace("r = Relu (d)", f"{doubled} [both] n = Conv (q, both) r = Relu (n)")
    padded = small_network(tmp_path, body)
    made = COMPILER.compile(padded, target_profile("rk3588"), settings(tmp_path))
    assert [each.operator for each in made.on_cpu] == on_cpu
    for left in made.on_cpu:
        assert left.reason.endswith("it pads 6 channels to 12 on one side")
        assert "pad half of them on each side" in left.fix


@needs_toolkit
@pytest.mark.matrix
def test_a_pad_before_a_convolution_is_on_the_npu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The toolkit's own fusion of the two dies of an array that it may not write to.
    monkeypatch.setenv(RKNN.variable, str(PYTHON))
    profile = target_profile("rk3588")
    body = BODY.replace("r = Relu (d)", "m = Pad (d, edge) [full] n = Conv (m, full) r = Relu (n)")
    padded = small_network(tmp_path, body)
    made = COMPILER.compile(padded, profile, settings(tmp_path))
    assert made.report["layers"]["NPU"]["Pad"] == 1
    proof = COMPILER.prove(padded, made.artefact, made.files, profile, settings(tmp_path))
    assert proof.verdict == "equal"


@needs_toolkit
@pytest.mark.matrix
def test_an_operator_on_the_cpu_is_named(
    network: IntegerNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RKNN.variable, str(PYTHON))
    changed, node = replace_operator(network, "Sigmoid", "Sin")
    made = COMPILER.compile(changed, target_profile("rk3566"), settings(tmp_path))
    (left,) = made.on_cpu
    assert (left.node, left.operator) == (node, "Sin")


@needs_toolkit
@pytest.mark.matrix
def test_a_crash_of_the_toolkit_is_an_error_in_one_line(
    network: IntegerNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RKNN.variable, str(PYTHON))
    # The toolkit lists this chip, and aborts at its first convolution.
    crashing = TargetProfile("rk2118", "rockchip", "", "", settings={"platform": "rk2118"})
    with pytest.raises(CompilerFailed, match=r"for rk2118 (died of SIGABRT|failed)"):
        COMPILER.compile(network, crashing, settings(tmp_path))
