"""The compiler plug-in of examples/k230, as pip leaves it beside edgecnn."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from unit.exporters.targets.npu.support import ROOT, interpreter, settings, small_network

from edgecnn_exporters.errors import CompilerMissing
from edgecnn_exporters.targets.compilers import IntegerNetwork, compiler_families, compiler_of
from edgecnn_exporters.targets.profile import target_profile
from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine

EXAMPLE = ROOT / "examples/k230"
PYTHON = interpreter("EDGECNN_NNCASE_PYTHON", ".venv-nncase")


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example's package and the entry point that its pyproject.toml declares."""
    declared = (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8")
    entry = 'k230 = "edgecnn_k230.compiler:K230Compiler"'
    assert f'[project.entry-points."edgecnn.compilers"]\n{entry}\n' in declared
    info = tmp_path / "site/edgecnn_k230-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: edgecnn-k230\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(f"[edgecnn.compilers]\n{entry.replace(chr(34), '')}\n")
    monkeypatch.syspath_prepend(str(info.parent))
    monkeypatch.syspath_prepend(str(EXAMPLE))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> IntegerNetwork:
    return small_network(tmp_path_factory.mktemp("network"))


def test_its_target_is_found_and_its_missing_toolchain_told(
    network: IntegerNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "k230" in compiler_families()
    profile = target_profile("canmv-k230")
    monkeypatch.setenv("EDGECNN_NNCASE_PYTHON", str(tmp_path / "none"))
    with pytest.raises(CompilerMissing, match=r"nncase-kpu .* is not installed"):
        compiler_of("k230").compile(network, profile, settings(tmp_path))


def test_the_ranges_that_it_writes_are_the_scales_of_the_graph(network: IntegerNetwork) -> None:
    ranges: Any = importlib.import_module("edgecnn_k230.ranges")
    made = ranges.float_graph(network.onnx)
    model = onnx.load_from_string(made.model)
    onnx.checker.check_model(model)
    left = {node.op_type for node in model.graph.node}
    assert not left & {"QuantizeLinear", "DequantizeLinear", "Gemm"}
    by_name = {each["Name"]: each for each in made.scheme["Outputs"]}
    for name, (scale, zero_point) in network.uint8.items():
        (one,) = by_name[name]["DataRange"]
        assert (one["Max"] - one["Min"]) / 255 == pytest.approx(scale)
        assert round(-one["Min"] / scale) == zero_point
    # Every value has a range, but the sum that a ReLU behind it cuts off.
    values = {name for node in model.graph.node for name in node.output}
    assert values - set(by_name) == {"d"}
    engine = OnnxRuntimeEngine.open(made.model)
    found = engine.run(network.examples[0].inputs)["y"]
    engine.close()
    # Without the roundings between layers, the answer is within some steps.
    assert np.abs(found - network.cpu_int8[0]["y"]).max() < 8 * network.uint8["y"][0]


@pytest.mark.matrix
@pytest.mark.skipif(
    not PYTHON.exists(),
    reason="there is no .venv-nncase with nncase-kpu; make test-rest makes it on Linux, or name an "
    "interpreter in EDGECNN_NNCASE_PYTHON",
)
def test_the_vendors_simulator_answers_with_the_shipped_file(
    network: IntegerNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECNN_NNCASE_PYTHON", str(PYTHON))
    profile, compiler = target_profile("k230"), compiler_of("k230")
    made = compiler.compile(network, profile, settings(tmp_path))
    assert made.on_cpu == ()
    proof = compiler.prove(network, made.artefact, made.files, profile, settings(tmp_path))
    assert (proof.verdict, proof.kind) == ("equal", "simulated")
