"""A small bundle with a plan, and the static agent for this machine: made once for all tests."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from shared import once

NATIVE = Path(__file__).parents[1] / "native"
EDGECNN = str(Path(sys.executable).with_name("edgecnn"))


def planned_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small trained network in float for ONNX Runtime and in int8 for native too."""

    def make(folder: Path) -> Path:
        words = ["export", "lenet5_relu", "--weights", "mnist", "--quantize", "int8", "-q"]
        words += ["--recipe", "fast", "--samples", "8", "--target", "native", "--no-measure"]
        command = [EDGECNN, *words, "-o", str(folder / "lenet.edge")]
        subprocess.run(command, check=True, capture_output=True)
        return folder / "lenet.edge"

    return once(tmp_path_factory, "planned-lenet5_relu", make)


def agent_for_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The static agent as any compiler makes it for this machine; skips where there is none."""
    sys.path.insert(0, str(NATIVE))
    compiler, platforms = map(import_module, ("compile", "platforms"))

    def make(folder: Path) -> Path:
        program = folder / "edgecnn-agent"
        sources = sorted((NATIVE / "agent").glob("*.c"))
        compiler.compile_program(platforms.this_platform(), sources, program, [NATIVE / "agent"])
        return program

    try:
        return once(tmp_path_factory, "static-agent", make)
    except compiler.CompilerFailed as error:
        pytest.skip(str(error))
