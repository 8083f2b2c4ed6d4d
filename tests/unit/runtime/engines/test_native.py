"""Engine ``native`` where its package or its library is missing; limits of a plan."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from native_plans import brightest_plan

import edgecnn_native
from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle.limits.artefact import refuse_unsafe
from edgecnn_runtime.errors import BundleUnreadable, OverBudget

OPEN = """
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.errors import EngineUnavailable

native = engine_class("native")
print(native.is_installed())
try:
    native.open(b"")
except EngineUnavailable as error:
    print(error)
"""


def opened(path: Path, before: str = "") -> list[str]:
    """What a fresh process prints that opens the engine, with a folder first on its path."""
    ran = subprocess.run(
        [sys.executable, "-c", before + OPEN],
        env=os.environ | {"PYTHONPATH": f"{path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.splitlines()


def test_a_package_that_is_missing_is_named_with_the_command_that_installs_it() -> None:
    absent = "import sys; sys.modules['edgecnn_native'] = None\n"
    installed, says = opened(Path.cwd(), absent)
    assert installed == "False"
    assert says.startswith("engine 'native' is not installed; ")
    assert "edgecnn[native]" in says


def package(folder: Path, library: bytes | None) -> Path:
    """A copy of the package in `folder`, with another library or none."""
    copied = folder / "edgecnn_native"
    copied.mkdir()
    for source in edgecnn_native.LIBRARY.parent.glob("*.py"):
        (copied / source.name).write_bytes(source.read_bytes())
    if library is not None:
        (copied / edgecnn_native.LIBRARY.name).write_bytes(library)
    return folder


def test_a_package_without_its_library_is_not_installed(tmp_path: Path) -> None:
    installed, says = opened(package(tmp_path, None))
    assert installed == "False"
    assert says.startswith("engine 'native' has no library for this machine in ")
    assert "edgecnn[native]" in says


def test_a_library_that_does_not_load_is_named(tmp_path: Path) -> None:
    installed, says = opened(package(tmp_path, b"of another machine"))
    assert installed == "True"
    assert says.startswith("engine 'native' does not work (")
    assert edgecnn_native.LIBRARY.name in says


def test_a_plan_within_the_budget_is_accepted() -> None:
    refuse_unsafe("plan", brightest_plan(), None, "model.plan", Budget(memory_bytes=320))


@pytest.mark.parametrize(
    ("plan", "error", "says"),
    [
        (b"EDGEPLAN", BundleUnreadable, "does not begin as a plan does"),
        (b"X" + brightest_plan()[1:], BundleUnreadable, "does not begin as a plan does"),
        (brightest_plan()[:-1], BundleUnreadable, "its header says"),
        (brightest_plan()[:12] + bytes(4) + brightest_plan()[16:], BundleUnreadable, "byte order"),
    ],
)
def test_a_plan_that_is_not_whole_is_refused(
    plan: bytes, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        refuse_unsafe("plan", plan, None, "model.plan", Budget())


def test_a_plan_that_needs_more_memory_than_allowed_is_refused() -> None:
    with pytest.raises(OverBudget, match="needs 320 bytes for its tensors; at most 319"):
        refuse_unsafe("plan", brightest_plan(), None, "model.plan", Budget(memory_bytes=319))
