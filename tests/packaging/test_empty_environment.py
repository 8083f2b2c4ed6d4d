"""Wheels of a release in environments that hold nothing else: what a device and a new user meet."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from distributions import (
    ROOT,
    clean_environment,
    find_interpreter,
    make_environment,
    release_files,
    run,
)
from shared import once

CAT = ROOT / "exporters/edgecnn_exporters/photographs/cat.jpg"
APP = """
import numpy as np
import edgecnn_runtime as edge
with edge.open({bundle!r}) as model:
    print(model.classify(np.full((9, 7, 3), (9, 200, 7), np.uint8))[0].label)
"""
pytestmark = [pytest.mark.slow, pytest.mark.network]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of an environment with ``edgecnn[onnxruntime]`` alone, from the wheels."""
    release, python = release_files(tmp_path_factory), find_interpreter("3.11")
    return once(
        tmp_path_factory,
        "engine",
        lambda folder: make_environment(folder, python, release, "edgecnn[onnxruntime]"),
    )


def test_an_app_runs_a_model(environment: Path, onnx_bundle: Path) -> None:
    ran = run(environment / "python", "-c", APP.format(bundle=str(onnx_bundle)))
    assert ran.stdout == "green\n", ran.stderr


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
    ran = run(environment / "edgecnn", "doctor", "--json")
    assert ran.returncode == 1
    checks = {each["what"]: each for each in json.loads(ran.stdout)["checks"]}
    assert checks["torch"]["mend"].endswith("pip install 'edgecnn[export]'")
    assert checks["engine onnxruntime"]["ok"]


def test_the_wheels_for_a_board_are_those_of_the_runtimes_extras(environment: Path) -> None:
    code = "from edgecnn.devices.wheels.choose import requirements; print(*requirements('litert'))"
    ran = run(environment / "python", "-c", code)
    assert "ai-edge-litert<3,>=2.1" in ran.stdout
    assert "numpy<3,>=1.26" in ran.stdout


def mend(message: str, folder: Path) -> None:
    """Run the command that a message names, as it is printed."""
    command = re.search(r"\S+(?: -m)? (?:pip|runpip|tool) .*?\]'", message)
    assert command, message
    ran = subprocess.run(
        ["bash", "-c", command[0]],
        cwd=folder,
        env=clean_environment() | tool_folders(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, f"{command[0]}\n{ran.stderr}"


def tool_folders(folder: Path) -> dict[str, str]:
    """Variables that keep the tools of uv and pipx below a folder."""
    return {
        "UV_TOOL_DIR": f"{folder}/uv",
        "UV_TOOL_BIN_DIR": f"{folder}/bin",
        "PIPX_HOME": f"{folder}/pipx",
        "PIPX_BIN_DIR": f"{folder}/bin",
    }


def test_the_command_that_a_message_names_mends_an_installation_from_wheels(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, onnx_bundle: Path
) -> None:
    release, python = release_files(tmp_path_factory), find_interpreter("3.11")
    programs = make_environment(tmp_path / "env", python, release, "edgecnn")
    check_mending(programs, tmp_path, onnx_bundle)


def check_mending(programs: Path, folder: Path, bundle: Path) -> None:
    """Without an engine and Pillow, each message names what brings the next thing."""
    for _ in range(2):
        ran = run(programs / "edgecnn", "run", bundle, CAT, folder=folder)
        assert ran.returncode == 1
        mend(ran.stderr, folder)
    ran = run(programs / "edgecnn", "run", bundle, CAT, folder=folder)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.matrix
def test_the_command_that_a_message_names_mends_an_installation_from_a_clone(
    tmp_path: Path, onnx_bundle: Path
) -> None:
    python = find_interpreter("3.11")
    programs = make_environment(tmp_path / "env", python, tmp_path, str(ROOT))
    check_mending(programs, tmp_path, onnx_bundle)


@pytest.mark.matrix
@pytest.mark.parametrize(
    "command", [("uv", "tool", "install"), ("pipx", "install")], ids=lambda command: command[0]
)
def test_the_command_that_a_message_names_mends_a_tool(
    command: tuple[str, ...], tmp_path: Path, onnx_bundle: Path
) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    python = find_interpreter("3.11")
    ran = subprocess.run(
        [*command, "--python", str(python), str(ROOT)],
        env=clean_environment() | tool_folders(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    check_mending(tmp_path / "bin", tmp_path, onnx_bundle)


@pytest.mark.parametrize(
    "version",
    [
        "3.11",
        *(pytest.param(each, marks=pytest.mark.matrix) for each in ("3.12", "3.13", "3.14")),
    ],
)
def test_wheels_install_and_run_on_each_python(
    version: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, onnx_bundle: Path
) -> None:
    python, release = find_interpreter(version), release_files(tmp_path_factory)
    thin = ("edgecnn-runtime[onnxruntime,image]",)
    programs = make_environment(tmp_path / "env", python, release, *thin)
    ran = run(programs / "python", "-c", APP.format(bundle=str(onnx_bundle)))
    assert ran.stdout == "green\n", ran.stderr
    listed = run(programs / "python", "-m", "pip", "list", "--format", "freeze").stdout
    assert "click" not in listed
    workstation = [programs / "python", "-m", "pip", "install", "--quiet", "--find-links"]
    assert run(*workstation, release, "edgecnn").returncode == 0
    for command in (["--help"], ["verify", onnx_bundle], ["run", onnx_bundle, CAT]):
        ran = run(programs / "edgecnn", *command)
        assert ran.returncode == 0, ran.stderr
