"""Manifests that say more of a compiled artefact than it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile.edited import bundle_with

import edgecnn_runtime as edge
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.errors import EngineError, ManifestInvalid
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.verify import verify

BINARY = b"a vendor's file"
PLAIN = Artefact("model.fake", "fake", "fp32")
COMPILED = Artefact(
    "npu/one/model.bin",
    "vendor",
    "int8",
    proof="compiled only",
    compiler="vendor 1.0",
    target="one",
    flags=("--fast",),
    on_cpu={"Softmax": 1},
    report="npu/one/report.json",
    companions=("npu/one/weights.bin",),
)
FILES = dict.fromkeys((*COMPILED.paths, "npu/one/report.json"), BINARY)


def test_a_compiled_artefact_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = bundle_with(tmp_path, FILES, artefacts=(PLAIN, COMPILED))
    with Bundle(path) as bundle:
        assert bundle.manifest.artefacts == (PLAIN, COMPILED)
        bundle.check()


def test_no_engine_opens_it_unless_it_is_named(tmp_path: Path) -> None:
    compiled = Artefact("npu/one/model.fake", "fake", "fp32", target="one")
    model = {"npu/one/model.fake": b"not what the engine reads"}
    path = bundle_with(tmp_path, model, artefacts=(compiled, PLAIN))
    with edge.open(path) as session:
        assert session.artefact == PLAIN
    with pytest.raises(EngineError):
        edge.open(path, artefact="npu/one/model.fake")
    only = bundle_with(tmp_path, model, artefacts=(compiled,))
    with pytest.raises(EngineError, match=r"has no artefact; it has npu/one/model\.fake"):
        edge.open(only)


def test_what_no_engine_here_runs_gets_no_row_of_an_engine(tmp_path: Path) -> None:
    with Bundle(bundle_with(tmp_path, FILES, artefacts=(PLAIN, COMPILED))) as bundle:
        assert COMPILED.path not in {row.subject for row in verify(bundle)}


@pytest.mark.parametrize(
    ("artefact", "says"),
    [
        (Artefact("model.bin", "vendor", "int8", proof="estimated", target="one"), "npu/ or mcu/"),
        (
            Artefact("npu/a.bin", "v", "int8", proof="estimated", target="one", report="r.json"),
            "npu/ or mcu/",
        ),
        (Artefact("npu/a.bin", "v", "int8", proof="estimated", flags=("-x",)), "but no target"),
        (
            Artefact("npu/a.bin", "v", "int8", proof="estimated", target="o", report="npu/r.json"),
            "is not among the manifest's files",
        ),
        (
            Artefact(
                "npu/a.bin", "v", "int8", proof="estimated", target="o", companions=("npu/w",)
            ),
            "is not among the manifest's files",
        ),
    ],
)
def test_files_of_a_compiler_lie_in_its_folder_and_are_all_listed(
    tmp_path: Path, artefact: Artefact, says: str
) -> None:
    files = {artefact.path: BINARY, "r.json": b"{}"}
    with pytest.raises(ManifestInvalid, match=says):
        Bundle(bundle_with(tmp_path, files, artefacts=(PLAIN, artefact)))
