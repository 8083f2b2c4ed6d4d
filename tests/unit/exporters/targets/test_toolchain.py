"""A vendor's program with a child of its own: both end with it, with its time, and with edgecnn."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecnn_exporters.errors import CompilerFailed
from edgecnn_exporters.targets.toolchain import run_tool

CHILD = "(echo begun; : > up; exec sleep 60) > alive & until [ -e up ]; do sleep 0.01; done; "
PARENT = """
import sys
from pathlib import Path
from edgecnn_exporters.targets.toolchain import run_tool
folder = Path(sys.argv[1])
run_tool("a tool", ["sh", "-c", sys.argv[2]], folder / "log", folder=folder)
"""


@pytest.fixture
def alive(tmp_path: Path) -> Iterator[int]:
    """A pipe that the tool's child writes to, and holds open while it lives."""
    os.mkfifo(tmp_path / "alive")
    descriptor = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
    yield descriptor
    os.close(descriptor)


def heard(alive: int) -> bytes:
    assert select.select([alive], [], [], 10)[0], "the child lives on"
    return os.read(alive, 100)


def test_a_child_that_a_tool_leaves_ends_with_it(tmp_path: Path, alive: int) -> None:
    began = time.monotonic()
    tool = ["sh", "-c", f"{CHILD} echo done; echo oh >&2"]
    said = run_tool("a tool", tool, tmp_path / "log", folder=tmp_path)
    assert said == "done\n"
    assert time.monotonic() - began < 10
    assert (tmp_path / "log").read_text(encoding="utf-8").endswith("done\noh\n\n")
    assert (heard(alive), heard(alive)) == (b"begun\n", b"")


def test_a_tool_that_takes_too_long_ends_with_its_child(tmp_path: Path, alive: int) -> None:
    tool = ["sh", "-c", f"{CHILD} echo compiling; wait"]
    with pytest.raises(CompilerFailed, match=r"^a tool did not end in 1 s; its messages are in "):
        run_tool("a tool", tool, tmp_path / "log", folder=tmp_path, timeout_s=1)
    assert "compiling" in (tmp_path / "log").read_text(encoding="utf-8")
    assert (heard(alive), heard(alive)) == (b"begun\n", b"")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_a_tool_and_its_child_end_with_edgecnn(
    tmp_path: Path, alive: int, number: signal.Signals
) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path), f"{CHILD} wait"]
    parent = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    assert heard(alive) == b"begun\n"
    parent.send_signal(number)
    assert parent.wait(10) != 0
    assert heard(alive) == b""


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CompilerFailed, match=r"^a tool cannot be started: .*No such file.*/none'"):
        run_tool("a tool", [tmp_path / "none"], tmp_path / "log")
