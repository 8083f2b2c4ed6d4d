"""edgecnn-native for a board from a clone: built by its script, or a wheel of its dist/."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from unit.edgecnn.devices.wheels.own_index import Index
from unit.edgecnn.devices.wheels.test_choose import board

from edgecnn.devices.board import Facts, Interpreter
from edgecnn.devices.wheels import WheelTarget, choose, fetch_wheels
from edgecnn.devices.wheels.clone import wheel_of_clone

A_PI = WheelTarget("aarch64", ("glibc", (2, 36)), (3, 11))
TAG = "py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64"
# A clone's script in small: it notes each run, and copies the wheel beside it.
SCRIPT = """
import pathlib, shutil, sys
_, _, folder, platform = sys.argv
here = pathlib.Path(__file__).parent
with (here.parent / "runs").open("a") as runs:
    print(platform, file=runs)
(wheel,) = here.parent.glob("built/*.whl")
shutil.copy(wheel, folder)
"""


class Clone:
    """A clone with an index that has all engines, edgecnn-native in version 0.2.0."""

    def __init__(self, folder: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "clone"
        self.script = self.folder / "native/wheels.py"
        self.script.parent.mkdir(parents=True)
        self.script.write_text(SCRIPT)
        index.add_engines()
        self.place(index, "built", "0.2.1")
        monkeypatch.setattr("edgecnn.devices.native_sources.CLONE", self.folder)
        version = self.folder / "runtime/edgecnn_runtime/__init__.py"
        version.parent.mkdir(parents=True)
        version.write_text('__version__ = "0.2.1"\n')

    def place(self, index: Index, where: str, version: str) -> None:
        wheel = index.add("edgecnn-native", version, TAG, requires=["numpy<3,>=1.26"])
        (self.folder / where).mkdir()
        shutil.move(wheel, self.folder / where)

    def runs(self) -> list[str]:
        noted = self.folder / "runs"
        return noted.read_text().split() if noted.exists() else []


@pytest.fixture
def clone(tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> Clone:
    return Clone(tmp_path, index, monkeypatch)


def with_zig(monkeypatch: pytest.MonkeyPatch, version: str | None) -> None:
    for module in ("native_sources", "wheels.clone"):
        monkeypatch.setattr(f"edgecnn.devices.{module}.zig_version", lambda: version)


def test_the_clones_wheel_is_built_once_and_sent_beside_the_indexs(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_zig(monkeypatch, "0.17.1")
    for _ in range(2):
        (main, _) = board().environments
        versions = {wheel.name: wheel.version for wheel in main.wheels}
        assert versions["edgecnn-native"] == "0.2.1"
        assert versions["numpy"] == "2.4.6"
        assert "edgecnn-native" in main.engines
    assert clone.runs() == ["linux-aarch64"]
    (own,) = (wheel for wheel in main.wheels if wheel.name == "edgecnn-native")
    (built,) = (clone.folder / "built").iterdir()
    assert fetch_wheels([own], main.target)[own].read_bytes() == built.read_bytes()
    alone = main.only({"edgecnn-native"})
    assert alone is not None
    assert {wheel.name for wheel in alone.wheels} == {"edgecnn-native", "numpy"}


def test_other_sources_are_built_again(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    with_zig(monkeypatch, "0.17.1")
    assert wheel_of_clone(A_PI) is not None
    (clone.folder / "native/src").mkdir()
    (clone.folder / "native/src/kernel.c").write_text("int changed;\n")
    assert wheel_of_clone(A_PI) is not None
    assert clone.runs() == ["linux-aarch64"] * 2


def test_sources_that_do_not_compile_refuse_native_alone(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_zig(monkeypatch, "0.17.1")
    clone.script.write_text("import sys; sys.exit('add.c:3: error: no such thing')")
    found = board()
    reason = found.refused["edgecnn-native"]
    assert "add.c:3: error: no such thing" in reason
    assert "python native/wheels.py linux-aarch64" in reason
    assert "onnxruntime" in found.environments[0].engines


def test_without_zig_it_is_of_the_clones_dist_or_of_the_index(
    clone: Clone, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_zig(monkeypatch, None)
    assert wheel_of_clone(A_PI) is None
    clone.place(index, "dist", "0.2.2")
    found = wheel_of_clone(A_PI)
    assert found is not None
    assert found.version == "0.2.2"
    assert wheel_of_clone(replace(A_PI, machine="x86_64")) is None
    assert clone.runs() == []


def test_a_board_without_a_platform_of_native_has_no_wheel_of_the_clone(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_zig(monkeypatch, "0.17.1")
    assert wheel_of_clone(replace(A_PI, machine="riscv64")) is None
    assert wheel_of_clone(replace(A_PI, libc=("glibc", (2, 12)))) is None


def test_a_bench_without_a_plan_compiles_nothing(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_zig(monkeypatch, "0.17.1")
    python = Interpreter("/usr/bin/python3", (3, 11, 2))
    facts = Facts(*(None, None, "aarch64", "aarch64", A_PI.libc, (python,), 4, (), *[None] * 3))
    found = choose(facts, [python], {"ai-edge-litert"})
    assert "edgecnn-native" not in found.refused
    assert clone.runs() == []
