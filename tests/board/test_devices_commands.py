"""A board is added, listed and examined over ssh, as a person does it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from board.arm64 import Board

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("board")]

EDGECNN = str(Path(sys.executable).with_name("edgecnn"))
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def edgecnn(pi5: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `edgecnn ARGUMENTS` where ssh knows the board's key and has its own."""
    monkeypatch.setenv("EDGECNN_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("EDGECNN_SSH", f"ssh -F {pi5.ssh_config}")

    def run(*arguments: str | int) -> subprocess.CompletedProcess[str]:
        command = [EDGECNN, *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


def added(
    edgecnn: Run, pi5: Board, name: str = "rpi", *more: str
) -> subprocess.CompletedProcess[str]:
    return edgecnn("devices", "add", name, pi5.destination, "--port", pi5.port, *more)


def test_a_board_is_asked_what_it_is_when_it_is_added(edgecnn: Run, pi5: Board) -> None:
    ran = added(edgecnn, pi5)
    assert ran.returncode == 0, ran.stderr
    assert "Raspberry Pi 5" in ran.stdout
    assert "Cortex-A76" in ran.stdout
    listed = json.loads(edgecnn("devices", "--json").stdout)["devices"]
    (row,) = [row for row in listed if row["name"] == "rpi"]
    assert row["profile"] == "rpi5"
    assert row["where"] == f"{pi5.destination}, port {pi5.port}"


def test_a_profile_that_is_not_the_boards_is_remarked_upon(edgecnn: Run, pi5: Board) -> None:
    ran = added(edgecnn, pi5, "rpi", "--profile", "rpi4")
    assert ran.returncode == 0
    assert "which is a rpi5" in ran.stderr


def test_what_cannot_be_reached_is_not_stored(edgecnn: Run, tmp_path: Path) -> None:
    ran = edgecnn("devices", "add", "gone", "pi@127.0.0.1", "--port", "1")
    assert ran.returncode == 1
    assert "cannot be reached" in ran.stderr
    assert "Nothing was stored; --no-check stores it unchecked" in ran.stderr
    assert not (tmp_path / "config/devices.toml").exists()
    assert (
        edgecnn("devices", "add", "gone", "pi@127.0.0.1", "--port", "1", "--no-check").returncode
        == 0
    )
    listed = json.loads(edgecnn("devices", "--json").stdout)["devices"]
    (row,) = [row for row in listed if row["name"] == "gone"]
    assert row["is_there"] is False
    assert "cannot be reached" in row["said"]


def test_a_board_whose_key_is_not_known_is_not_trusted(
    edgecnn: Run, pi5: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = f"ssh -F {pi5.ssh_config} -o UserKnownHostsFile={tmp_path}/none"
    monkeypatch.setenv("EDGECNN_SSH", unknown)
    ran = added(edgecnn, pi5)
    assert ran.returncode == 1
    assert f"ssh -p {pi5.port} {pi5.destination}" in ran.stderr
    assert "fingerprint" in ran.stderr


@pytest.mark.matrix
def test_doctor_says_what_the_board_can_run(edgecnn: Run, pi5: Board) -> None:
    added(edgecnn, pi5)
    ran = edgecnn("doctor", "--device", "rpi", "--json")
    assert ran.returncode == 0, ran.stderr
    checks = {check["what"]: check for check in json.loads(ran.stdout)["checks"]}
    assert checks["engine onnxruntime"]["ok"], checks["engine onnxruntime"]
    assert checks["engine ai-edge-litert"]["ok"], checks["engine ai-edge-litert"]
    assert checks["processor"]["found"] == "dotprod, no i8mm, fp16"
    assert checks["userland"]["found"] == "aarch64, 64-bit"
    assert "Active Cooler" in checks["heat"]["found"]
