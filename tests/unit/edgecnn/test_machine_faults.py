"""Faults of the machine that no other code names, as the command line tells them."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecnn import cli


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """A command takes Ctrl-C for itself, and leaves it at that: its process ends."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let a command fail with the error."""

    def command(context: object, name: str) -> None:
        raise error

    monkeypatch.setattr(cli.cli, "get_command", command)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/x/y"),
            "/x/y: no space left on device; free some space; TMPDIR and EDGECNN_CACHE name other "
            "folders",
        ),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
            "the folder for temporary files: no space left on device",
        ),
        (OSError(errno.EROFS, os.strerror(errno.EROFS), "/x"), "/x: read-only file system"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "ulimit -n allows more"),
        (MemoryError(), "out of memory; end other programs"),
    ],
)
def test_each_is_one_line_and_no_success(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    said: str,
) -> None:
    failing(monkeypatch, error)
    with pytest.raises(SystemExit) as ended:
        cli.main(["zoo"])
    assert ended.value.code == 1
    line = capsys.readouterr().err
    assert line.startswith("edgecnn: ")
    assert said in line
    assert line.count("\n") == 1


def test_another_error_of_the_system_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, FileNotFoundError(errno.ENOENT, "No such file", "/x"))
    with pytest.raises(FileNotFoundError):
        cli.main(["zoo"])


def test_a_working_folder_that_was_removed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(SystemExit) as ended:
        cli.main(["export", "lenet5"])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said == "edgecnn: the folder that this runs in was removed; change to another\n"
