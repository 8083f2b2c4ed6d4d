"""What people install: the files of each distribution, its requirements and its version."""

from __future__ import annotations

import filecmp
import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from distributions import PROJECTS, ROOT, build, find_wheel, release_files

from edgecnn.devices.agent_zipapp import write_agent
from edgecnn.devices.profile_toml import profiles
from edgecnn_runtime import __version__
from edgecnn_runtime.install_hint import PACKAGES


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return release_files(tmp_path_factory)


def packages(wheel: Path) -> set[str]:
    """The packages of a wheel, without its metadata."""
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    return {top for top in tops if not top.endswith(".dist-info")}


def metadata(wheel: Path) -> Message:
    archive = zipfile.ZipFile(wheel)
    name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(archive.read(name))


def requirements(wheel: Path) -> set[str]:
    return set(metadata(wheel).get_all("Requires-Dist") or ())


def test_each_wheel_of_a_release_holds_its_packages_and_nothing_else(release: Path) -> None:
    assert {name: packages(find_wheel(release, name)) for name in PROJECTS.values()} == {
        "edgecnn": {"edgecnn", "edgecnn_exporters"},
        "edgecnn_runtime": {"edgecnn_runtime"},
        "edgecnn_weights": {"edgecnn_weights"},
        "edgecnn_native": {"edgecnn_native"},
    }


def test_all_distributions_have_the_version_of_the_runtime(release: Path) -> None:
    versions = {metadata(wheel)["Version"] for wheel in release.glob("*.whl")}
    assert versions == {__version__}
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[?([\d.]+)", changelog, re.M)[0] == __version__


def test_edgecnn_requires_the_runtime_of_its_version(release: Path) -> None:
    required = requirements(find_wheel(release, "edgecnn"))
    assert f"edgecnn-runtime=={__version__}" in required
    for extra in PACKAGES:
        passed_on = f"edgecnn-runtime[{extra}]=={__version__}; extra == '{extra}'"
        assert passed_on in required
    assert f"edgecnn-weights=={__version__}; extra == 'weights'" in required


def test_the_runtime_requires_numpy_alone(release: Path) -> None:
    required = requirements(find_wheel(release, "edgecnn_runtime"))
    always = {each.partition("<")[0] for each in required if "extra ==" not in each}
    assert always == {"numpy"}


def test_a_wheel_of_the_clone_holds_the_runtime_and_requires_the_clone_s_native(
    tmp_path: Path,
) -> None:
    build(".", tmp_path, "--wheel", release=False)
    wheel = find_wheel(tmp_path, "edgecnn")
    assert packages(wheel) == {"edgecnn", "edgecnn_exporters", *PROJECTS.values()} - {
        "edgecnn_native"
    }
    native = f"edgecnn-native @ {(ROOT / 'native').as_uri()}"
    ours = {each for each in requirements(wheel) if each.startswith("edgecnn")}
    assert ours == {f"{native} ; extra == '{extra}'" for extra in ("all", "native")}


def test_an_sdist_builds_the_wheel_that_the_tree_builds(release: Path, tmp_path: Path) -> None:
    for project, name in PROJECTS.items():
        build(project, tmp_path, "--wheel")
        assert filecmp.cmp(find_wheel(release, name), find_wheel(tmp_path, name), shallow=False)


def test_an_sdist_holds_licence_and_notice(release: Path) -> None:
    for sdist in release.glob("*.tar.gz"):
        with tarfile.open(sdist) as archive:
            names = {Path(name).name for name in archive.getnames()}
        assert {"LICENSE", "README.md", "pyproject.toml"} <= names, sdist.name


@pytest.mark.parametrize(
    "copied", ["runtime/LICENSE", "runtime/NOTICE", "weights/LICENSE", "native/LICENSE"]
)
def test_licences_beside_the_other_projects_are_copies(copied: str) -> None:
    assert filecmp.cmp(ROOT / copied, ROOT / Path(copied).name, shallow=False)


def test_the_wheels_hold_what_the_code_reads(release: Path) -> None:
    names = set(zipfile.ZipFile(find_wheel(release, "edgecnn")).namelist())
    assert names >= {
        "edgecnn/zoo/imagenet.txt",
        *(f"edgecnn/devices/profiles/{name}.toml" for name in profiles()),
        "edgecnn_exporters/photographs/cat.jpg",
        "edgecnn_exporters/photographs/README.md",
        "edgecnn/py.typed",
        *(f"edgecnn/web/scripts/{name}" for name in ("engines.js", "measure.html", "measure.js")),
        *(f"edgecnn/site/page/{name}" for name in ("index.html", "app.js", "style.css")),
        "edgecnn/site/licences/MIT.txt",
        "edgecnn_exporters/py.typed",
        "edgecnn_exporters/targets/mcu/firmware_files/README.md",
        "edgecnn_exporters/targets/mcu/firmware_files/main.cpp",
        "edgecnn_exporters/targets/mcu_native/firmware_files/Makefile",
        "edgecnn_exporters/targets/mcu_native/firmware_files/board/sections.ld",
        "edgecnn_exporters/targets/profiles/mcu.toml",
    }
    runtime = zipfile.ZipFile(find_wheel(release, "edgecnn_runtime")).namelist()
    assert "edgecnn_runtime/py.typed" in runtime


def test_the_wheels_are_small(release: Path) -> None:
    assert find_wheel(release, "edgecnn").stat().st_size < 1_640_000
    assert find_wheel(release, "edgecnn_runtime").stat().st_size < 250_000


def test_the_agent_is_small_and_runs_where_edgecnn_is_not_installed(tmp_path: Path) -> None:
    agent = tmp_path / "agent.pyz"
    assert write_agent(agent) < 240_000
    ran = subprocess.run(
        [sys.executable, str(agent), "--help"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
    assert "measure" in ran.stdout
