"""stderr of every command that opens engines: outside a terminal and with -q nothing is there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from e2e.conftest import PHOTOGRAPHS, Run

pytest.importorskip("ai_edge_litert")


@pytest.mark.usefixtures("own")
def test_engines_and_libraries_print_nothing_on_stderr(edgecnn: Run, tmp_path: Path) -> None:
    for name in ("cat", "coffee"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        shutil.copy(PHOTOGRAPHS / f"{name}.jpg", tmp_path / "pictures" / name)
    (tmp_path / "names.txt").write_text("cat\ncoffee\n")
    shape, names = ("--input", "1x3x8x8"), ("--labels", "names.txt", "--preprocess", "unit")
    eight_bits = ("--quantize", "int8", "--target", "tflite")
    commands = [
        ("export", "own:responsive", *shape, *names, *eight_bits, "-o", "own.edge"),
        ("verify", "own.edge"),
        ("verify", "own.edge", "--preprocess"),
        ("verify", "own.edge", "--data", "pictures"),
        ("run", "own.edge", "pictures/cat/cat.jpg", "--engine", "tflite"),
        ("evaluate", "own.edge", "--data", "pictures", "--engine", "tflite"),
        ("bench", "own.edge", "--rounds", "8", "--cold-starts", "1"),
        ("doctor",),
    ]
    for command in commands:
        ran = edgecnn(*command, "-q")
        assert (ran.returncode, ran.stderr) == (0, ""), command
