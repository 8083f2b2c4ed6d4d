"""Fixtures of the emulation tests: QEMU, an arm64 userland and exported bundles."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgecnn.devices.emulated.qemu import INSTALL as INSTALL_QEMU
from edgecnn.devices.emulated.qemu import PROGRAMS, Qemu, find_qemu
from edgecnn.devices.emulated.userland import INSTALL as INSTALL_MMDEBSTRAP
from edgecnn.devices.emulated.userland import userland

EDGECNN = str(Path(sys.executable).with_name("edgecnn"))


@pytest.fixture(scope="session")
def qemu() -> Qemu:
    """The QEMU that boards are emulated with here."""
    if not any(map(shutil.which, PROGRAMS)):
        pytest.skip(f"no {PROGRAMS[0]}; {INSTALL_QEMU}")
    return find_qemu()


@pytest.fixture(scope="session")
def counting_qemu(qemu: Qemu) -> Qemu:
    """One that takes a plugin, with a compiler to make it."""
    if not qemu.has_plugins:
        pytest.skip(f"{qemu.program} takes no plugins; {INSTALL_QEMU}")
    if shutil.which("cc") is None:
        pytest.skip("no cc; apt-get install --no-install-recommends gcc libc6-dev")
    return qemu


@pytest.fixture(scope="session")
def arm64_root() -> Path:
    """The userland, built or from the cache."""
    if shutil.which("mmdebstrap") is None:
        pytest.skip(f"no mmdebstrap; {INSTALL_MMDEBSTRAP}")
    return userland()


def export(folder: Path, name: str, *arguments: str) -> Path:
    """A bundle of a network of the zoo in float and int8, for ONNX Runtime and LiteRT."""
    command: Sequence[str] = (
        *(EDGECNN, "export", name, "-o", f"{name}.edge", *arguments),
        *("--target", "tflite", "--quantize", "int8", "--recipe", "fast", "--no-measure"),
    )
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return folder / f"{name}.edge"
