"""edgecnn-native for a board from a clone: built by its script, or a wheel of its dist/."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from unit.edgecnn.devices.wheels.own_index import Index
from unit.edgecnn.devices.wheels.test_choose import board

from edgecnn.devices.wheels import fetch_wheels

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
    board()
    (clone.folder / "native/src").mkdir()
    (clone.folder / "native/src/kernel.c").write_text("int changed;\n")
    board()
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


@pytest.mark.parametrize(("where", "version"), [("dist", "0.2.2"), ("elsewhere", "0.2.0")])
def test_without_zig_it_is_of_the_clones_dist_or_of_the_index(
    clone: Clone, index: Index, monkeypatch: pytest.MonkeyPatch, where: str, version: str
) -> None:
    with_zig(monkeypatch, None)
    clone.place(index, where, "0.2.2")
    if where != "dist":
        index.add("edgecnn-native", "0.2.0", TAG, requires=["numpy<3,>=1.26"])
    assert board().offer().environments["main"]["edgecnn-native"] == version
    assert clone.runs() == []


def test_a_board_without_a_platform_of_native_asks_the_index(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_zig(monkeypatch, "0.17.1")
    assert "edgecnn-native" in board(machine="riscv64").refused
    assert clone.runs() == []
