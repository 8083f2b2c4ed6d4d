"""The C example on a real plan, for this machine and, emulated, for a board without Python."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
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
# Platform of native/platforms.py → what runs its programs here.
PLATFORMS = {"musl-x86_64": (), "musl-aarch64": ("qemu-aarch64", "-cpu", "cortex-a76")}

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


@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_c_example_finds_the_classes_that_the_runtime_finds(
    platform: str, app: Path, tmp_path: Path, fork_server: ForkServer
) -> None:
    runner = PLATFORMS[platform]
    if runner and shutil.which(runner[0]) is None:
        pytest.skip(f"{runner[0]} is not installed")
    sys.path.insert(0, str(NATIVE))
    compiler = importlib.import_module("compile")
    program = tmp_path / "classify"
    compiler.compile_program(compiler.PLATFORMS[platform], EXAMPLE, program, [app / "app"])
    command = ["run", "net.edge", "--engine", "native", "--json"]
    pictures = [f"app/{name}.ppm" for name in PICTURES]
    expected = json.loads(fork_server.run(EDGECNN, [*command, *pictures], app, os.environ).stdout)
    for picture, known in zip(pictures, expected["images"], strict=True):
        files = ("app/model.int8.plan", "app/labels.txt", picture)
        ran = subprocess.run(
            [*runner, program, *files], cwd=app, capture_output=True, text=True, check=True
        )
        assert ran.stdout.split()[1] == known["classes"][0]["label"]
