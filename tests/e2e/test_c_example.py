"""The C example on a real plan, for this machine and, emulated, for a board without Python."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
from e2e.conftest import EDGECNN, PHOTOGRAPHS
from e2e.fork_server import ForkServer
from PIL import Image
from shared import once

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/c/classify.c"
NATIVE = ROOT / "native"
PICTURES = ("cat.jpg", "coffee.jpg", "rocket.jpg")
QEMU = shutil.which("qemu-aarch64")
pytestmark = pytest.mark.skipif(find_spec("ziglang") is None, reason="ziglang is not installed")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer) -> Path:
    """A folder as `edgecnn bundle extract` makes it, with pictures, and the bundle beside it."""

    def make(folder: Path) -> Path:
        export = (
            "export mobilenet_v2 --weights cifar10 --quantize int8 --samples 64 --target native"
        )
        for command in (
            [*export.split(), "--no-measure", "-o", "net.edge"],
            ["bundle", "extract", "net.edge", "model.int8.plan", "-o", "app"],
        ):
            ran = fork_server.run(EDGECNN, command, folder, os.environ)
            assert ran.returncode == 0, ran.stderr
        for name in PICTURES:
            picture = Image.open(PHOTOGRAPHS / name).convert("RGB")
            picture.save(folder / f"app/{name}.ppm")
        return folder

    return once(tmp_path_factory, "c_example", make)


def test_the_c_example_finds_the_classes_that_the_runtime_finds(
    app: Path, tmp_path: Path, fork_server: ForkServer
) -> None:
    readme = (EXAMPLE.parent / "README.md").read_text(encoding="utf-8")
    (lines,) = (block for block in readme.split("```sh\n") if block.startswith("LIBRARY="))
    compiler = f"{sys.executable} -m ziglang cc -std=c11 -Wall -Werror"
    words = "\n".join(lines.split("\n")[:2]).replace("python", sys.executable)
    words = words.replace("\ncc ", f"\n{compiler} ").replace("-I app", f"-I {app / 'app'}")
    words = words.replace("-o classify", f"-o {tmp_path / 'classify'}")
    subprocess.run(["bash", "-ec", words], cwd=ROOT, check=True)
    assert classes([tmp_path / "classify"], app) == expected(app, fork_server)


@pytest.mark.slow
@pytest.mark.skipif(QEMU is None, reason="qemu-aarch64 is not installed")
def test_a_static_program_does_on_a_board_without_python(
    app: Path, tmp_path: Path, fork_server: ForkServer
) -> None:
    sys.path.insert(0, str(NATIVE))
    compiler = importlib.import_module("compile")
    wanted, program = compiler.PLATFORMS["musl-aarch64"], tmp_path / "classify"
    compiler.compile_program(wanted, [EXAMPLE], program, [app / "app"])
    emulated = [str(QEMU), "-cpu", "cortex-a76", program]
    assert classes(emulated, app) == expected(app, fork_server)


def classes(program: Sequence[str | Path], app: Path) -> list[str]:
    """Labels that the program prints for the pictures."""
    found = []
    for name in PICTURES:
        files = ("app/model.int8.plan", "app/labels.txt", f"app/{name}.ppm")
        ran = subprocess.run(
            [*program, *files], cwd=app, capture_output=True, text=True, check=True
        )
        found.append(ran.stdout.split()[1])
    return found


def expected(app: Path, fork_server: ForkServer) -> list[str]:
    """What the runtime's engine answers."""
    pictures = [f"app/{name}.ppm" for name in PICTURES]
    command = ["run", "net.edge", "--engine", "native", "--json", *pictures]
    ran = fork_server.run(EDGECNN, command, app, os.environ)
    images = json.loads(ran.stdout)["images"]
    return [image["classes"][0]["label"] for image in images]
