"""Run folder: created for one bench, removed when its keeper ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest


def keeper(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "edgecnn_runtime", "keep", str(folder)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)


def is_made(process: subprocess.Popen[str]) -> bool:
    assert process.stdout is not None
    return "kept" in process.stdout.readline()


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_it_is_private_and_gone_when_stdin_ends(tmp_path: Path) -> None:
    process = keeper(tmp_path / "runs" / "a")
    assert is_made(process)
    assert (tmp_path / "runs" / "a").stat().st_mode & 0o777 == 0o700
    (tmp_path / "runs" / "a" / "b").mkdir()
    (tmp_path / "runs" / "a" / "b" / "c").touch()
    process.communicate("")
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_it_is_gone_when_its_keeper_is_ended(tmp_path: Path, number: signal.Signals) -> None:
    process = keeper(tmp_path / "runs" / "a")
    assert is_made(process)
    process.send_signal(number)
    process.communicate()
    assert list((tmp_path / "runs").iterdir()) == []


def test_what_nobody_keeps_is_removed_and_what_somebody_keeps_is_not(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    kept, killed = keeper(runs / "kept"), keeper(runs / "killed")
    assert is_made(kept)
    assert is_made(killed)
    end(killed)
    assert (runs / "killed").exists()
    third = keeper(runs / "third")
    assert is_made(third)
    assert {path.name for path in runs.iterdir()} == {"kept", "third"}
    end(kept)
    end(third)


def test_keepers_that_begin_at_once_leave_one_another_alone(tmp_path: Path) -> None:
    processes = [keeper(tmp_path / "runs" / str(number)) for number in range(6)]
    assert all(map(is_made, processes))
    assert {path.name for path in (tmp_path / "runs").iterdir()} == set("012345")
    for process in processes:
        end(process)
