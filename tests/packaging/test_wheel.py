"""What people install."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from edgecnn.devices.agent_zipapp import write_agent
from edgecnn.devices.profile_toml import profiles

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_three_packages_and_nothing_else(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "edgecnn",
        "edgecnn_exporters",
        "edgecnn_runtime",
    }


def test_the_wheel_holds_what_the_code_reads(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
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
        "edgecnn_exporters/targets/profiles/mcu.toml",
        "edgecnn_runtime/py.typed",
    }


def test_the_wheel_is_of_a_megabyte_and_a_half(wheel: Path) -> None:
    assert wheel.stat().st_size < 1_500_000


def test_the_agent_is_small_and_runs_where_edgecnn_is_not_installed(tmp_path: Path) -> None:
    agent = tmp_path / "agent.pyz"
    assert write_agent(agent) < 150_000
    ran = subprocess.run(
        [sys.executable, str(agent), "--help"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
    assert "measure" in ran.stdout
