"""A Vela that is missing, too old, crashes, or writes other files than it should."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.exporters.targets.npu.ethos_u.support import POINT, integer_network, settings

from edgecnn_exporters.errors import CompilerFailed, CompilerMissing
from edgecnn_exporters.targets.npu.ethos_u.compiler import EthosUCompiler
from edgecnn_exporters.targets.npu.ethos_u.vela import OPERATORS, _rows
from edgecnn_exporters.targets.profile import target_profile

PROFILE = target_profile("ethos-u55-128")


@pytest.fixture
def interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An interpreter whose Vela has the version in ``version``, and does what ``vela`` says."""
    path = tmp_path / "python"
    path.write_text(
        f'#!/bin/sh\n[ "$1" = -c ] && exec cat {tmp_path}/version\n. {tmp_path}/vela\n',
        encoding="utf-8",
    )
    path.chmod(0o755)
    monkeypatch.setenv("EDGECNN_VELA_PYTHON", str(path))
    return path


def compile_with(version: str, vela: str, folder: Path) -> None:
    (folder / "version").write_text(version, encoding="utf-8")
    (folder / "vela").write_text(vela, encoding="utf-8")
    EthosUCompiler().compile(integer_network(POINT), PROFILE, settings(folder))


@pytest.mark.usefixtures("interpreter")
def test_a_missing_vela_is_told_with_the_command_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(CompilerMissing, match=r"not installed .* pip install 'edgecnn\[ethos-u\]'"):
        compile_with("", "", tmp_path)


@pytest.mark.usefixtures("interpreter")
def test_a_vela_that_was_never_tested_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CompilerMissing, match=r"3\.12\.0 is older than 5\.1\.0, the oldest tested"):
        compile_with("3.12.0", "", tmp_path)


@pytest.mark.usefixtures("interpreter")
def test_a_crash_is_one_line_and_what_vela_printed_is_kept(tmp_path: Path) -> None:
    with pytest.raises(CompilerFailed, match="vela for ethos-u55-128 died of SIGSEGV: reading"):
        compile_with("5.2.0", "echo reading; kill -SEGV $$", tmp_path)
    assert "reading" in (tmp_path / "compiler.log").read_text(encoding="utf-8")


@pytest.mark.usefixtures("interpreter")
def test_operators_that_it_could_not_place_before_it_failed_are_named(tmp_path: Path) -> None:
    vela = """echo "Warning (supported operators) operator: LRN, ofm: 'features.2'"; exit 1"""
    with pytest.raises(CompilerFailed, match=r"exit code 1: .*\. The NPU lacks LRN features\.2$"):
        compile_with("5.2.0", vela, tmp_path)


@pytest.mark.usefixtures("interpreter")
def test_files_that_are_not_there_are_a_failure_of_vela(tmp_path: Path) -> None:
    with pytest.raises(CompilerFailed, match=r"did not write what it should: .*summary"):
        compile_with("5.2.0", "exit 0", tmp_path)


def test_a_name_with_commas_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / OPERATORS
    path.write_text("Target,Op Cycles,Name\nNPU,12,a,b\n", encoding="utf-8")
    assert _rows(path) == [{"Target": "NPU", "Op Cycles": "12", "Name": "a,b"}]
