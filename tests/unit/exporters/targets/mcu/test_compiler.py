"""TensorFlow Lite Micro's real interpreter: smallest arena, proof, boards, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from subprocess import run

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from unit.exporters.targets.mcu.support import (
    BODY,
    EXAMPLES,
    board,
    classifier,
    needs_tflm,
    settings,
)

from edgecnn_exporters.errors import CompilerFailed, CompilerMissing, DoesNotFit
from edgecnn_exporters.targets.mcu import interpreter
from edgecnn_exporters.targets.mcu.compiler import McuCompiler
from edgecnn_exporters.targets.mcu.tensors import read_tensors
from edgecnn_exporters.targets.profile import target_profile
from edgecnn_runtime.manifest import Artefact

MCU = target_profile("mcu")
COMPILER = McuCompiler()
GELU = BODY.replace("d = Relu (c)", "d = Gelu (c)")


def artefact() -> Artefact:
    entry = classifier().tflite_entry
    return replace(entry, path="mcu/model.tflite", target="mcu")


@needs_tflm
def test_the_arena_is_the_smallest_that_the_interpreter_takes(tmp_path: Path) -> None:
    compiled = COMPILER.compile(classifier(), MCU, settings(tmp_path))
    smallest = compiled.report["arena_bytes"]
    program = (
        "import sys; from tflite_micro.python.tflite_micro import runtime\n"
        "runtime.Interpreter.from_file(sys.argv[1], arena_size=int(sys.argv[2]))"
    )
    model = tmp_path / "model.tflite"
    model.write_bytes(classifier().tflite)

    def opens(size: int) -> bool:
        command = [interpreter.TFLM.python, "-c", program, str(model), str(size)]
        return run(command, capture_output=True, check=False).returncode == 0

    assert (opens(smallest), opens(smallest - 1)) == (True, False)


@needs_tflm
def test_every_integer_is_that_of_the_reference_kernels(tmp_path: Path) -> None:
    network = classifier()
    compiled = COMPILER.compile(network, MCU, settings(tmp_path))
    proof = COMPILER.prove(network, compiled.artefact, compiled.files, MCU, settings(tmp_path))
    assert (proof.verdict, proof.kind, proof.integers) == ("equal", "exact", 1.0)
    assert f"{10 * EXAMPLES} of {10 * EXAMPLES} output integers" in proof.note
    assert proof.difference is not None
    assert proof.difference.sqnr_db > 20


@needs_tflm
def test_a_changed_weight_is_told(tmp_path: Path) -> None:
    file = {artefact().path: with_other_bias(classifier().tflite)}
    proof = COMPILER.prove(classifier(), artefact(), file, MCU, settings(tmp_path))
    assert proof.verdict == "differs"
    assert proof.integers is not None
    assert 0 < proof.integers < 1


def with_other_bias(tflite: bytes) -> bytes:
    """The file with one integer more in the first bias of its FULLY_CONNECTED that moves a step."""
    file = schema.ModelT.InitFromObj(schema.Model.GetRootAs(tflite))
    graph = file.subgraphs[0]
    buffer = file.buffers[graph.tensors[graph.operators[-1].inputs[2]].buffer]
    bias = np.frombuffer(bytes(bytearray(buffer.data)), np.int32).copy()
    bias[0] += 4000
    buffer.data = bias.view(np.uint8)
    builder = flatbuffers.Builder(len(tflite))
    builder.Finish(file.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@needs_tflm
@pytest.mark.parametrize(
    ("flash", "ram", "message"),
    [
        (
            1 << 20,
            2000,
            r"arena of [\d,]+ bytes is [\d,]+ more than the RAM of 2,000 .*\(int8 1x8x8x6,",
        ),
        (
            100,
            1 << 20,
            r"file of [\d,]+ bytes is [\d,]+ more than the flash of 100 .*\(int8 10x320,",
        ),
    ],
)
def test_a_network_too_large_is_told_with_bytes_and_tensor(
    tmp_path: Path, flash: int, ram: int, message: str
) -> None:
    with pytest.raises(DoesNotFit, match=message):
        COMPILER.compile(classifier(), board(flash, ram), settings(tmp_path))


@needs_tflm
def test_the_report_says_which_boards_hold_the_network(tmp_path: Path) -> None:
    compiled = COMPILER.compile(classifier(), MCU, settings(tmp_path))
    report = compiled.report
    assert report["model_bytes"] == len(classifier().tflite)
    assert report["planned_bytes"] + report["persistent_bytes"] == report["arena_bytes"]
    assert report["operators"] == {"CONV_2D": 2, "RESHAPE": 1, "FULLY_CONNECTED": 1}
    assert {each["fits"] for each in report["boards"].values()} == {True}
    assert compiled.on_cpu == ()
    assert "fit mcu-stm32f446re" in compiled.notes[0]


@needs_tflm
def test_an_operator_without_a_kernel_is_named(tmp_path: Path) -> None:
    with pytest.raises(CompilerFailed, match="small has GELU, which TensorFlow Lite Micro has no"):
        COMPILER.compile(classifier(GELU), MCU, settings(tmp_path))


@needs_tflm
def test_the_first_message_of_the_interpreter_is_repeated(tmp_path: Path) -> None:
    model = classifier(GELU).tflite
    log = tmp_path / "compile.log"
    with pytest.raises(
        CompilerFailed, match=rf"op for builtin opcode 'GELU'.*; its messages are in {log}"
    ):
        interpreter.smallest_arena(model, read_tensors(model), tmp_path, log)


def test_a_missing_interpreter_is_told_with_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(interpreter.TFLM.variable, "/usr/bin/false")
    with pytest.raises(CompilerMissing, match=r"tflite-micro .* pip install 'edgecnn\[mcu\]'"):
        COMPILER.compile(classifier(), MCU, settings(tmp_path))


@needs_tflm
def test_a_concatenation_of_many_inputs_is_split_and_gives_the_same_integers(
    tmp_path: Path,
) -> None:
    """DenseNet joins the maps of every layer of a block; TFLM joins ten tensors at most."""
    parts = [f"p{number}" for number in range(23)]
    relus = " ".join(f"{part} = Relu (a)" for part in parts)
    network = classifier(
        "[first] a = Conv <pads = [1, 1, 1, 1]> (x, w1, b1)"
        f" {relus} j = Concat <axis = 1> ({', '.join(parts)})"
        " g = GlobalAveragePool (j) e = Flatten (g) [fc] y = Gemm <transB = 1> (e, joined, offset)"
    )
    assert read_tensors(network.tflite).operators["CONCATENATION"] == 1
    compiled = COMPILER.compile(network, MCU, settings(tmp_path))
    (model,) = compiled.files.values()
    assert read_tensors(model).operators["CONCATENATION"] == 3
    proof = COMPILER.prove(network, compiled.artefact, compiled.files, MCU, settings(tmp_path))
    assert (proof.verdict, proof.integers) == ("equal", 1.0)
