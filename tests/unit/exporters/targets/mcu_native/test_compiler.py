"""Plans for microcontrollers: 8-bit ends, their memory, and the proof by the portable kernels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from unit.exporters.targets.mcu.support import classifier, settings

from edgecnn_exporters.errors import CompilerFailed
from edgecnn_exporters.targets.compilers import Compiled, Proof
from edgecnn_exporters.targets.mcu_native.compiler import McuNativeCompiler
from edgecnn_exporters.targets.mcu_native.plan import memory_of
from edgecnn_exporters.targets.profile import target_profile

edgecnn_native = pytest.importorskip("edgecnn_native")
MCU_NATIVE = target_profile("mcu-native")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    folder = tmp_path_factory.mktemp("compile")
    return McuNativeCompiler().compile(classifier(), MCU_NATIVE, settings(folder))


def prove(compiled: Compiled, plan: bytes, folder: Path) -> Proof:
    files = {compiled.artefact.path: plan}
    return McuNativeCompiler().prove(
        classifier(), compiled.artefact, files, MCU_NATIVE, settings(folder)
    )


def test_a_plan_has_8_bit_ends_and_the_figures_are_those_of_the_library(compiled: Compiled) -> None:
    plan = compiled.files["mcu/mcu-native/model.plan"]
    with edgecnn_native.Model(plan) as model:
        assert [(t.dtype, t.shape) for t in model.inputs] == [("uint8", (3, 8, 8))]
        assert [(t.dtype, t.shape) for t in model.outputs] == [("uint8", (10,))]
        ends = {t.name: (t.scale, t.zero_point) for t in (*model.inputs, *model.outputs)}
    for name, (scale, zero_point) in classifier().uint8.items():
        assert ends[name] == (pytest.approx(scale), zero_point)
    report = compiled.report
    assert report["plan_bytes"] == len(plan)
    assert (report["input_bytes"], report["output_bytes"]) == (192, 10)
    assert report["memory_bytes"] == edgecnn_native.memory_size(plan, kernels="portable")
    # The largest image has 8 channels of 8 x 8, and is in no memory as a whole.
    assert report["memory_bytes"] < 8192
    assert report["boards"]["mcu-stm32f446re"] == {"fits": True}


def test_the_proof_is_exact_where_the_integers_are_onnx_runtimes(
    compiled: Compiled, tmp_path: Path
) -> None:
    proof = prove(compiled, compiled.files[compiled.artefact.path], tmp_path)
    assert (proof.verdict, proof.kind, proof.integers) == ("equal", "exact", 1.0)
    assert "400 of 400 output integers of 40 examples are those of ONNX Runtime" in proof.note


def test_other_weights_are_no_exact_proof(compiled: Compiled, tmp_path: Path) -> None:
    plan = bytearray(compiled.files[compiled.artefact.path])
    # The last constants are the last layer's multipliers: half of them is another network.
    plan[-128:] = bytes(128)
    proof = prove(compiled, bytes(plan), tmp_path)
    assert proof.verdict == "differs"
    assert proof.integers is not None
    assert proof.integers < 1


def test_encodings_of_another_plan_differ(compiled: Compiled, tmp_path: Path) -> None:
    wrong = replace(compiled.artefact, encodings={"x": (1.0, 0), "y": (1.0, 0)})
    proof = McuNativeCompiler().prove(
        classifier(), wrong, compiled.files, MCU_NATIVE, settings(tmp_path)
    )
    assert proof.verdict == "differs"
    assert "the manifest has the encoding (1.0, 0) of 'x'" in proof.note


def test_a_damaged_plan_is_refused_with_the_librarys_words(compiled: Compiled) -> None:
    plan = compiled.files[compiled.artefact.path]
    with pytest.raises(CompilerFailed, match="its size is not that of the file"):
        memory_of(plan[:-64])
