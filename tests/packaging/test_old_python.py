"""A Python that is too old is refused in a sentence: by pip, by make, and by the source itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from distributions import ROOT, clean_environment, find_interpreter, find_wheel, release_files, run

OLD = "3.10"


@pytest.fixture(scope="module")
def old() -> Path:
    return find_interpreter(OLD)


def test_pip_refuses_the_wheels(
    old: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    release = release_files(tmp_path_factory)
    install = [old, "-m", "pip", "install", "--no-index", "--no-deps", "--target", tmp_path]
    for name in ("edgecnn", "edgecnn_runtime"):
        ran = run(*install, find_wheel(release, name))
        assert ran.returncode != 0
        assert "requires a different Python: 3.10" in ran.stderr
        assert "not in '>=3.11'" in ran.stderr


def test_make_says_which_python_it_needs(old: Path, tmp_path: Path) -> None:
    words = ["make", "--no-print-directory", f"PYTHON={old}", f"VENV={tmp_path}/env", "demo"]
    ran = subprocess.run(
        words, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert ran.returncode != 0
    assert "edgecnn needs Python 3.11 or newer" in ran.stdout
    assert not (tmp_path / "env").exists()


@pytest.mark.parametrize("code", ["-m edgecnn --help", "-m edgecnn_runtime --help"])
def test_the_source_says_which_python_it_needs(old: Path, code: str) -> None:
    path = os.pathsep.join(str(ROOT / part) for part in (".", "exporters", "runtime"))
    ran = subprocess.run(
        [old, *code.split()],
        cwd="/",
        env=clean_environment() | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode != 0
    last = ran.stderr.strip().splitlines()[-1]
    assert "needs Python 3.11 or newer, this is 3.10." in last
    assert "-m edgecnn_runtime" in code or "Traceback" not in ran.stderr
