"""Commands that install extras, by the environment and by what is installed in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from edgecnn_runtime.install_hint import PACKAGES, _uv_tool

ROOT = Path(__file__).parents[3]
HINT = (
    "from edgecnn_runtime.install_hint import install_command, install_hint;"
    "print(install_hint('onnxruntime'), install_hint('plot'), install_command('pandas'), sep='\\n')"
)


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment without pip, with the runtime's source on its path and nothing installed."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    site = next((tmp_path / "env/lib").glob("python*/site-packages"))
    shutil.copytree(ROOT / "runtime/edgecnn_runtime", site / "edgecnn_runtime")
    return tmp_path / "env"


def site_packages(environment: Path) -> Path:
    return next((environment / "lib").glob("python*/site-packages"))


def install(environment: Path, distribution: str) -> None:
    """What an installer leaves behind of a distribution, or pip itself, as far as it is read."""
    folder = site_packages(environment) / f"{distribution.replace('-', '_')}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")


def add_pip(environment: Path) -> None:
    (site_packages(environment) / "pip").mkdir()
    (site_packages(environment) / "pip/__init__.py").touch()


def hints(environment: Path, folder: Path, path: str = "/usr/bin:/bin") -> list[str]:
    """The commands for two extras and a package, asked from a folder."""
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ran = subprocess.run(
        [environment / "bin/python", "-c", HINT],
        cwd=folder,
        env=variables | {"PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.splitlines()


def test_pip_of_this_interpreter_is_named_by_the_shortest_path(environment: Path) -> None:
    install(environment, "edgecnn")
    add_pip(environment)
    assert hints(environment, environment.parent) == [
        "env/bin/python -m pip install 'edgecnn[onnxruntime]'",
        "env/bin/python -m pip install 'edgecnn[plot]'",
        "env/bin/python -m pip install pandas",
    ]
    assert hints(environment, Path("/"))[0].startswith(f"{environment}/bin/python -m pip install ")


def test_pip_is_named_alone_where_the_path_leads_to_it(environment: Path) -> None:
    install(environment, "edgecnn")
    add_pip(environment)
    (environment / "bin/pip").write_text("#!/bin/sh\n")
    (environment / "bin/pip").chmod(0o755)
    assert hints(environment, Path("/"), f"{environment}/bin:/usr/bin")[1] == (
        "pip install 'edgecnn[plot]'"
    )


def test_an_environment_without_pip_is_installed_into_by_uv(environment: Path) -> None:
    install(environment, "edgecnn")
    assert hints(environment, environment.parent)[1] == (
        "uv pip install --python env/bin/python 'edgecnn[plot]'"
    )


def test_a_runtime_alone_installs_its_own_extras(environment: Path) -> None:
    install(environment, "edgecnn-runtime")
    assert hints(environment, environment.parent)[0] == (
        "uv pip install --python env/bin/python 'edgecnn-runtime[onnxruntime]'"
    )


def test_a_board_where_nothing_is_installed_installs_the_package(environment: Path) -> None:
    add_pip(environment)
    assert hints(environment, environment.parent)[0] == (
        "env/bin/python -m pip install onnxruntime"
    )


def test_pipx_runs_its_own_pip(environment: Path) -> None:
    install(environment, "edgecnn")
    (environment / "pipx_metadata.json").write_text(json.dumps({}))
    assert hints(environment, Path("/")) == [
        "pipx runpip env install 'edgecnn[onnxruntime]'",
        "pipx runpip env install 'edgecnn[plot]'",
        "pipx runpip env install pandas",
    ]


def test_a_tool_of_uv_is_installed_again_with_what_it_had(environment: Path) -> None:
    install(environment, "edgecnn")
    (environment / "uv-receipt.toml").write_text(
        "[tool]\nrequirements = [\n"
        '  { name = "edgecnn", extras = ["export"], directory = "/clone" },\n'
        '  { name = "pandas", specifier = ">=2" },\n]\n'
    )
    assert hints(environment, Path("/"))[1] == (
        "uv tool install '/clone[export,plot]' --with 'pandas>=2'"
    )


def test_a_tool_of_uv_from_wheels_keeps_their_folder(tmp_path: Path) -> None:
    receipt = tmp_path / "uv-receipt.toml"
    receipt.write_text(
        "[tool]\n"
        'requirements = [{ name = "edgecnn", path = "/w/edgecnn-0.2.0-py3-none-any.whl" }]\n'
        '[tool.options]\nfind-links = ["file:///w"]\n'
    )
    assert _uv_tool(receipt, extra="plot") == (
        "uv tool install --find-links /w '/w/edgecnn-0.2.0-py3-none-any.whl[plot]'"
    )


def test_a_receipt_that_cannot_be_read_leaves_the_plain_command(tmp_path: Path) -> None:
    receipt = tmp_path / "uv-receipt.toml"
    receipt.write_text("[tool\n")
    assert _uv_tool(receipt, package="pandas") == "uv tool install edgecnn --with pandas"


def test_a_clone_that_is_not_installed_is_named_by_its_folder(environment: Path) -> None:
    shutil.rmtree(site_packages(environment) / "edgecnn_runtime")
    (site_packages(environment) / "clone.pth").write_text(f"{ROOT / 'runtime'}\n")
    add_pip(environment)
    assert hints(environment, environment.parent)[1] == (
        f"env/bin/python -m pip install --editable '{ROOT}[plot]'"
    )


def test_the_packages_of_a_board_are_those_of_the_extras() -> None:
    project = tomllib.loads((ROOT / "runtime/pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    names = {
        extra: [requirement.partition(">")[0].partition("<")[0] for requirement in requirements]
        for extra, requirements in project["optional-dependencies"].items()
    }
    assert names == {
        extra: [package.partition("<")[0] for package in packages]
        for extra, packages in PACKAGES.items()
    }
