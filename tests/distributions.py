"""The distributions as `make dist` builds them, interpreters of this machine, and environments."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from shared import once

ROOT = Path(__file__).parents[1]
# Folder of the project → name of its distribution in a file name.
PROJECTS = {
    ".": "edgecnn",
    "runtime": "edgecnn_runtime",
    "weights": "edgecnn_weights",
    "native": "edgecnn_native",
}


def build(
    project: str, folder: Path, *options: str, release: bool = True, platform: str = ""
) -> None:
    """Build a project of the clone, or an sdist that is unpacked, into a folder.

    Args:
        platform: of edgecnn-native; empty: this machine.
    """
    command = [sys.executable, "-m", "build", "--no-isolation", *options, "--outdir", str(folder)]
    variables = clean_environment() | ({"EDGECNN_RELEASE": "1"} if release else {})
    variables |= {"EDGECNN_NATIVE_PLATFORM": platform} if platform else {}
    ran = subprocess.run(
        [*command, str(ROOT / project)], env=variables, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def release_files(factory: pytest.TempPathFactory) -> Path:
    """The folder of a release: sdist and wheel of each project, the wheel built from the sdist."""

    def make(folder: Path) -> Path:
        for project in PROJECTS:
            build(project, folder)
        return folder

    return once(factory, "release", make)


def find_wheel(folder: Path, distribution: str) -> Path:
    return next(folder.glob(f"{distribution}-*.whl"))


def clean_environment() -> dict[str, str]:
    """The variables of this process without those that lead Python to the clone."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def find_interpreter(version: str) -> Path:
    """Python of a version such as "3.12", on the PATH or pyenv's; else the test is skipped."""
    if sys.version.startswith(f"{version}."):
        return Path(sys.executable)
    installed = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    on_path = shutil.which(f"python{version}")
    for python in (*installed, *([Path(on_path)] if on_path else [])):
        ran = subprocess.run([python, "-c", "import venv"], capture_output=True, check=False)
        if ran.returncode == 0:
            return python
    pytest.skip(f"no Python {version} on this machine")


def make_environment(folder: Path, python: Path, wheels: Path, *requirements: str) -> Path:
    """The folder of programs of a virtual environment with what pip finds in wheels and index."""
    subprocess.run([python, "-m", "venv", folder], check=True, env=clean_environment())
    programs = folder / "bin"
    install = [programs / "python", "-m", "pip", "install", "--quiet", "--find-links", wheels]
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    ran = subprocess.run(
        [*install, *constraints, *requirements],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert ran.returncode == 0, ran.stderr
    return programs


def run(*command: str | Path, folder: Path = Path("/")) -> subprocess.CompletedProcess[str]:
    """Run a program far from the clone, and without a path to it."""
    return subprocess.run(
        [str(word) for word in command],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
