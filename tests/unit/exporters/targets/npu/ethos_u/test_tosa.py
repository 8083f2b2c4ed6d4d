"""The proof by Arm's TOSA reference model: equal, near, wrong, and not possible here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema
from unit.exporters.targets.npu.ethos_u.support import (
    DENSE,
    LOGARITHMS,
    ROWS,
    TOSA_PYTHON,
    integer_network,
    needs_tosa,
    needs_vela,
    settings,
)

from edgecnn_exporters.targets.compilers import Compiled, IntegerNetwork, Proof
from edgecnn_exporters.targets.npu.ethos_u.compiler import EthosUCompiler
from edgecnn_exporters.targets.npu.ethos_u.toolchains import VARIABLE
from edgecnn_exporters.targets.profile import target_profile

DEPTHWISE = """
    [wise] a = Conv <group = 6, pads = [1, 1, 1, 1]> (x, wise)
    b = Relu (a)
    [point] y = Conv (b, point)
"""
TWICE_AS_LARGE = """
    [point] a = Conv (x, point)
    b = Resize <coordinate_transformation_mode = "asymmetric", nearest_mode = "floor">
        (a, , scales)
    y = Relu (b)
"""
PADDED = "[full] y = Conv <strides = [4, 4], pads = [2, 2, 1, 1]> (x, full)"
BETWEEN = '[point] a = Conv (x, point) b = Resize <mode = "linear"> (a, , scales) y = Relu (b)'


@pytest.fixture(autouse=True)
def python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(TOSA_PYTHON))


PROFILE = target_profile("ethos-u55-128")


def compiled(network: IntegerNetwork, folder: Path) -> Compiled:
    scratch = folder / "compile"
    scratch.mkdir(parents=True)
    return EthosUCompiler().compile(network, PROFILE, settings(scratch))


def proof(network: IntegerNetwork, folder: Path) -> Proof:
    made = compiled(network, folder)
    return EthosUCompiler().prove(network, made.artefact, made.files, PROFILE, settings(folder))


@needs_vela
@needs_tosa
@pytest.mark.parametrize(
    ("body", "answers"),
    [
        (DENSE, ROWS),
        (DEPTHWISE, "float[N, C, H, W] y"),
        (TWICE_AS_LARGE, "float[N, C, H, W] y"),
        (PADDED, "float[N, C, H, W] y"),
    ],
    ids=["dense", "convolutions", "nearest", "padded"],
)
def test_the_reference_model_computes_the_integers_of_the_reference_kernels(
    body: str, answers: str, tmp_path: Path
) -> None:
    found = proof(integer_network(body, answers), tmp_path)
    assert (found.verdict, found.kind, found.integers) == ("equal", "exact", 1.0), found.note
    assert "2 examples" in found.note
    assert found.difference is not None
    assert found.difference.sqnr_db > 25


@needs_vela
@needs_tosa
def test_an_operator_that_rounds_otherwise_is_simulated_and_as_near_as_the_kernels(
    tmp_path: Path,
) -> None:
    found = proof(integer_network(BETWEEN), tmp_path)
    assert (found.verdict, found.kind) == ("equal", "simulated"), found.note
    assert found.integers is not None
    assert 0.5 < found.integers < 1
    assert "the others within 2 steps" in found.note


@needs_vela
@needs_tosa
def test_a_file_that_the_model_reads_otherwise_differs(tmp_path: Path) -> None:
    """From edges instead of centres, Arm's converter takes the next pixel for every second one."""
    network = integer_network(TWICE_AS_LARGE)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(network.tflite))
    (resize,) = [each for each in model.subgraphs[0].operators if _is_resize(each)]
    resize.builtinOptions.halfPixelCenters = False
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    found = proof(replace(network, tflite=bytes(builder.Output())), tmp_path)
    assert found.verdict == "differs"
    assert found.integers is not None
    assert found.integers < 0.9


def _is_resize(operator: Any) -> bool:
    return isinstance(operator.builtinOptions, schema.ResizeNearestNeighborOptionsT)


@needs_vela
@needs_tosa
def test_what_tosa_lacks_is_skipped_and_named(tmp_path: Path) -> None:
    found = proof(integer_network(LOGARITHMS, ROWS), tmp_path)
    assert (found.verdict, found.kind) == ("skipped", "estimated")
    assert found.note == "TOSA has no LOG_SOFTMAX"


def test_without_the_reference_model_the_proof_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "python"))
    found = proof(integer_network(DENSE, ROWS), tmp_path)
    assert (found.verdict, found.kind) == ("skipped", "estimated")
    assert f"then {VARIABLE}=tosa/bin/python" in found.note


@needs_vela
def test_a_file_or_an_encoding_that_is_not_velas_differs(tmp_path: Path) -> None:
    network = integer_network(DENSE, ROWS)
    made = compiled(network, tmp_path)
    ((path, content),) = made.files.items()
    other = {path: content[:-1] + bytes([content[-1] ^ 1])}
    compiler, own = EthosUCompiler(), settings(tmp_path)
    wrong = compiler.prove(network, made.artefact, other, PROFILE, own)
    assert wrong.verdict == "differs"
    assert "the file is not what ethos-u-vela" in wrong.note
    scale, zero_point = made.artefact.encodings["y"]
    moved = replace(made.artefact, encodings={**made.artefact.encodings, "y": (3 * scale, 0)})
    wrong = compiler.prove(network, moved, made.files, PROFILE, own)
    assert wrong.verdict == "differs"
    assert f"the encoding {(3 * scale, 0)} of 'y', the file {(scale, zero_point)}" in wrong.note
