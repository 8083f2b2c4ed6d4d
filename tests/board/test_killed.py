"""A bench of which one process is killed: on the board, or here.

What is marked `matrix` is tested on this machine's own sshd too, in `unit/edgecnn/devices/ssh`.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from board.faults import wait_until
from board.workstation import LITERT, LONG, Workstation, wait_for_rounds

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("failing board")]


@pytest.mark.matrix
def test_a_killed_agent_is_told_and_its_workers_end(station: Workstation, network: Path) -> None:
    station.add()
    process = station.start("bench", network, "--device", "rpi", *LONG, "-o", "agent.jsonl")
    wait_for_rounds(station, "agent.jsonl", process)
    (agent,) = (p for p in station.board.processes() if p.command.endswith(".pyz bench"))
    station.board.kill(agent)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the agent on rpi was killed there" in said
    station.assert_nothing_is_left()


def test_a_killed_worker_ends_its_row_only(station: Workstation, network: Path) -> None:
    station.add()
    rows = (*LITERT, "--rounds", "30", "--cold-starts", "0")
    process = station.start("bench", network, "--device", "rpi", *rows, "-o", "w.jsonl", "--json")
    wait_for_rounds(station, "w.jsonl", process)
    worker = next(p for p in station.board.processes() if " work " in p.command)
    station.board.kill(worker)
    printed, said = process.communicate(timeout=120)
    assert process.returncode == 3, said
    (device,) = json.loads(printed)["devices"]
    assert sorted(row["golden"] for row in device["rows"]) == ["crashed", "equal"]
    station.assert_nothing_is_left()


@pytest.mark.matrix
def test_a_killed_client_leaves_nothing_there_and_no_ssh_here(
    station: Workstation, network: Path
) -> None:
    station.add()
    process = station.start("bench", network, "--device", "rpi", *LONG, "-o", "client.jsonl")
    wait_for_rounds(station, "client.jsonl", process)
    assert ssh_clients(station)
    process.kill()
    process.communicate()
    station.assert_nothing_is_left()
    wait_until(lambda: not ssh_clients(station), 10, "ssh ends")


def ssh_clients(station: Workstation) -> bool:
    command = ["pgrep", "-f", f"ssh -F {station.board.ssh_config}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
