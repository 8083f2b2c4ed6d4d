"""Messages of the devices that failed in a bench."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from edgecnn.bench.resumable import measure_on
from edgecnn.bench.wanted import Wanted
from edgecnn.devices.board import Board
from edgecnn.devices.local import LocalBoard
from edgecnn.devices.ssh import SshBoard
from edgecnn_runtime.measure.job import MeasurementPlan

BUNDLE = Path(__file__).parents[3] / "data" / "bundles" / "lenet5.edge"


def failure(board: Board, folder: Path) -> str:
    wanted = Wanted(BUNDLE, MeasurementPlan())
    with contextlib.closing(board):
        measured = measure_on(
            [board], wanted, folder / "samples.jsonl", is_resumed=False, quiet=True
        )
    assert not measured.results
    return measured.failed[board.name]


# "run" is a word of the message, which does not name the device for all that.
@pytest.mark.parametrize("name", ["lab", "run"])
def test_a_message_that_does_not_name_the_device_gets_its_name(name: str, tmp_path: Path) -> None:
    python = str(tmp_path / "python")
    message = failure(LocalBoard(name, {name: python}), tmp_path)
    assert message == f"{name}: cannot run {python}: No such file or directory"


def test_a_message_that_names_the_device_names_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\necho "ssh: Connection refused" >&2\nexit 255\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("EDGECNN_SSH", str(ssh))
    message = failure(SshBoard("rpi", "pi@lab"), tmp_path)
    assert message.startswith("rpi (pi@lab) cannot be reached: no ssh server answers there")
