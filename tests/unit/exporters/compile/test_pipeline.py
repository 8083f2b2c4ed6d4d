"""Compilation of one target: operators on the CPU, and answers that lose too much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from unit.exporters.compile.test_network import LOGITS, bundle_of
from unit.exporters.targets.tflite.integer_support import quantised

from edgecnn_exporters.compile.network import read_network
from edgecnn_exporters.compile.pipeline import CompileRequest, compile_bundle, compile_target
from edgecnn_exporters.errors import OperatorsOnCpu, TargetDiffers
from edgecnn_exporters.targets.compilers import (
    COMPILERS,
    Compiled,
    IntegerNetwork,
    OnCpu,
    Proof,
    Settings,
)
from edgecnn_exporters.targets.profile import TargetProfile
from edgecnn_exporters.targets.toolchain import Toolchain
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.errors import OutputNotWritable
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.difference import Answer, compare

PLAIN = TargetProfile("plain", "rounding", "a vendor", "by hand")
ON_CPU = replace(PLAIN, name="busy", settings={"on_cpu": 2})


class RoundingCompiler:
    """A vendor whose simulator rounds to whole numbers; a profile says what stays on the CPU."""

    family: ClassVar[str] = "rounding"
    toolchains: ClassVar[tuple[Toolchain, ...]] = ()

    def compile(
        self, network: IntegerNetwork, profile: TargetProfile, settings: Settings
    ) -> Compiled:
        path = f"npu/{profile.name}/model.bin"
        artefact = Artefact(
            path, "rounding", "int8", proof="simulated", report=f"npu/{profile.name}/r.json"
        )
        left = tuple(
            OnCpu(f"node{number}", "Softmax", "the NPU has none", "end at the logits")
            for number in range(profile.settings.get("on_cpu", 0))
        )
        return Compiled(artefact, {path: network.onnx}, {"bytes": 1}, 0.1, left)

    def prove(
        self,
        network: IntegerNetwork,
        artefact: Artefact,
        files: Mapping[str, bytes],
        profile: TargetProfile,
        settings: Settings,
    ) -> Proof:
        answers = [
            Answer(name, array, array.round())
            for example in network.examples
            for name, array in example.outputs.items()
        ]
        difference = compare(answers, network.manifest.groups)
        return Proof("a simulator", "differs", "rounds", "simulated", difference)


@pytest.fixture(autouse=True)
def rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMPILERS, "rounding", f"{__name__}:RoundingCompiler")  # type: ignore[arg-type]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return bundle_of(tmp_path, quantised(LOGITS, "float[N, K] y"))


def test_operators_on_the_cpu_are_named_with_cause_and_mend(bundle: Path, tmp_path: Path) -> None:
    with Bundle(bundle) as opened:
        network = read_network(opened)
    settings = Settings(tmp_path / "scratch", tmp_path / "log")
    settings.folder.mkdir()
    with pytest.raises(OperatorsOnCpu) as told:
        compile_target(network, ON_CPU, settings, allow_cpu=False)
    said = str(told.value)
    assert "busy would leave 2 operators to the CPU: Softmax node0 (the NPU has none)" in said
    assert "change the network (end at the logits)" in said
    assert "--allow-cpu" in said


def test_what_loses_too_much_is_weak_where_that_is_allowed(bundle: Path, tmp_path: Path) -> None:
    before = bundle.read_bytes()
    request = CompileRequest(bundle, (PLAIN,), bundle, tmp_path / "log")
    with pytest.raises(TargetDiffers, match="write it as weak with --allow-weak"):
        compile_bundle(request, lambda stage: None)
    assert bundle.read_bytes() == before
    compile_bundle(replace(request, allow_weak=True), lambda stage: None)
    with Bundle(bundle) as opened:
        (artefact,) = (each for each in opened.manifest.artefacts if each.target)
        assert (artefact.is_weak, artefact.proof) == (True, "simulated")
        assert set(artefact.sqnr_db) == {"y"}
        assert opened.manifest.provenance["compiled"]["plain"]["prover"] == "a simulator"


def test_compiling_in_place_keeps_all_else_of_the_bundle(bundle: Path, tmp_path: Path) -> None:
    with Bundle(bundle) as opened:
        before = opened.manifest
        files = {path: opened.read(path) for path in before.files} | {"notes.txt": b"of another"}
    before = replace(before, provenance={**before.provenance, "of another": {"writer": [1, None]}})
    write_bundle(bundle, before, files)
    request = CompileRequest(bundle, (PLAIN,), bundle, tmp_path / "log", allow_weak=True)
    for _ in range(2):  # the second replaces what the first added
        compile_bundle(request, lambda stage: None)
        with Bundle(bundle) as opened:
            opened.check()
            after = opened.manifest
            assert {path: opened.read(path) for path in files} == files
        added = {"npu/plain/model.bin", "npu/plain/r.json"}
        assert set(after.files) == {*files, *added}
        compiled = after.provenance["compiled"]
        assert after.artefacts[:-1] == before.artefacts
        assert after.provenance == {**before.provenance, "compiled": compiled}
        same = {"artefacts": (), "files": {}, "provenance": {}}
        assert replace(after, **same) == replace(before, **same)


def test_a_bundle_that_changed_while_it_was_compiled_is_not_replaced(
    bundle: Path, tmp_path: Path
) -> None:
    request = CompileRequest(bundle, (PLAIN,), bundle, tmp_path / "log", allow_weak=True)
    other = replace(request, profiles=(replace(PLAIN, name="other"),))

    def compile_another(stage: str) -> None:
        if stage == "package":
            compile_bundle(other, lambda stage: None)

    with pytest.raises(OutputNotWritable, match=r"small\.edge changed after it was read; run"):
        compile_bundle(request, compile_another)
    with Bundle(bundle) as opened:
        assert [each.target for each in opened.manifest.artefacts] == [None, "other"]


@pytest.mark.parametrize("compiled", ["by hand", ["plain"]])
def test_a_provenance_of_another_form_is_replaced(tmp_path: Path, compiled: object) -> None:
    model = quantised(LOGITS, "float[N, K] y")
    bundle = bundle_of(tmp_path, model, provenance={"compiled": compiled})
    request = CompileRequest(bundle, (PLAIN,), bundle, tmp_path / "log", allow_weak=True)
    result = compile_bundle(request, lambda stage: None)
    assert result.manifest is not None
    assert set(result.manifest.provenance["compiled"]) == {"plain"}
