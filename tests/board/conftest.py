"""Fixtures: emulated boards over SSH; where they cannot be emulated, the tests are skipped."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from board.arm64 import Board, powered
from board.binfmt import arm64_programs, qemu_arm64
from board.machine import reason_for_none
from board.workstation import EDGECNN, Workstation

from edgecnn.devices.emulated.userland import userland
from edgecnn.devices.profile_toml import profiles
from edgecnn.errors import EmulationUnavailable


@pytest.fixture(scope="session")
def programs() -> Iterator[Path]:
    """The root folder of the boards' programs, which this machine can run for as long."""
    if reason := reason_for_none():
        pytest.skip(reason)
    try:
        folder = userland()
    except EmulationUnavailable as error:
        pytest.skip(str(error))
    qemu = qemu_arm64()
    assert qemu is not None
    with arm64_programs(qemu):
        yield folder


@pytest.fixture(scope="session")
def pi5(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """A Raspberry Pi 5 that keeps what was put on it from test to test."""
    with powered(profiles()["rpi5"], programs, tmp_path_factory.mktemp("pi5")) as board:
        yield board


@pytest.fixture
def new_pi4(programs: Path, tmp_path: Path) -> Iterator[Board]:
    """A Raspberry Pi 4 fresh from the shop, for a test to spoil."""
    with powered(profiles()["rpi4"], programs, tmp_path / "pi4") as board:
        yield board


@pytest.fixture
def station(pi5: Board, tmp_path: Path) -> Iterator[Workstation]:
    """A workstation beside the Pi 5 that keeps what was put on it."""
    made = Workstation(tmp_path, pi5)
    yield made
    made.close()


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a small trained network, fp32 and int8, for ONNX Runtime and LiteRT."""
    path = tmp_path_factory.mktemp("network") / "lenet.edge"
    options = ["--weights", "mnist", "--quantize", "int8", "--target", "tflite", "-q"]
    command = [EDGECNN, "export", "lenet5_relu", *options, "-o", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path
