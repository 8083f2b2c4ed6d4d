"""Tests that share something run on one worker of pytest-xdist."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
MODULE = """
import os
from pathlib import Path

import pytest

def note(folder):
    worker = os.environ["PYTEST_XDIST_WORKER"]
    Path(folder, f"{worker}-{os.urandom(4).hex()}").touch()

@pytest.fixture(scope="module")
def shared():
    note("made")

@pytest.fixture(scope="module", params=["x", "y"])
def parameter(request):
    note(f"made-{request.param}")

@pytest.mark.parametrize("number", range(8))
def test_of_a_shared_fixture(shared, number):
    pass

@pytest.mark.parametrize("number", range(4))
def test_of_a_parameter(parameter, number):
    pass

@pytest.mark.xdist_group("group")
@pytest.mark.parametrize("number", range(8))
def test_of_a_group(number):
    note("group")
"""


def test_a_group_and_a_fixture_of_a_module_stay_on_one_worker(tmp_path: Path) -> None:
    shutil.copy(TESTS / "conftest.py", tmp_path)
    (tmp_path / "test_shared.py").write_text(MODULE)
    for folder in ("made", "made-x", "made-y", "group"):
        (tmp_path / folder).mkdir()
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup"]
    paths = [str(TESTS), os.environ.get("PYTHONPATH", "")]
    ran = subprocess.run(
        [*command, "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "test_shared.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for folder in ("made", "made-x", "made-y"):
        assert len(list((tmp_path / folder).iterdir())) == 1, folder
    assert len({path.name.partition("-")[0] for path in (tmp_path / "group").iterdir()}) == 1
