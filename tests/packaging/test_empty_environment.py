"""The wheel in an environment that holds nothing else: what a device and a new user meet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.network]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a virtual environment with ``edgecnn[onnxruntime]`` alone."""
    folder = tmp_path_factory.mktemp("empty")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    wheel = next(folder.glob("*.whl"))
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    programs = folder / "venv/bin"
    install = [str(programs / "pip"), "install", "--quiet", "--constraint", "constraints.txt"]
    subprocess.run([*install, f"{wheel}[onnxruntime]"], check=True, cwd=ROOT, capture_output=True)
    return programs


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, cwd="/"
    )


def test_an_app_runs_a_model(environment: Path, onnx_bundle: Path) -> None:
    code = f"""
import numpy as np
import edgecnn_runtime as edge
with edge.open({str(onnx_bundle)!r}) as model:
    print(model.classify(np.full((9, 7, 3), (9, 200, 7), np.uint8))[0].label)
"""
    assert run(environment / "python", "-c", code).stdout == "green\n"


def test_a_path_needs_pillow_and_says_so(environment: Path, onnx_bundle: Path) -> None:
    cat = ROOT / "exporters/edgecnn_exporters/photographs/cat.jpg"
    ran = run(environment / "edgecnn", "run", onnx_bundle, cat)
    assert ran.returncode == 1
    assert "pip install 'edgecnn[image]'" in ran.stderr


def test_verify_and_bench_work(environment: Path, onnx_bundle: Path) -> None:
    assert run(environment / "edgecnn", "verify", onnx_bundle).returncode == 0
    ran = run(environment / "edgecnn", "bench", onnx_bundle, "--rounds", "8", "--cold-starts", "1")
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("command", [("export", "mobilenet_v2"), ("zoo", "lenet5")])
def test_what_needs_torch_says_what_to_install(environment: Path, command: tuple[str, str]) -> None:
    ran = run(
        environment / "edgecnn", *command, *(["-o", "/tmp"] if command[0] == "export" else [])
    )
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    assert "pip install 'edgecnn[export]'" in ran.stderr


def test_doctor_lists_what_is_missing(environment: Path) -> None:
    ran = run(environment / "edgecnn", "doctor")
    assert ran.returncode == 1
    assert "pip install 'edgecnn[export]'" in ran.stdout
    assert "engine onnxruntime" in ran.stdout
