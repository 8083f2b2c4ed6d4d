"""The cable is pulled in the middle of a bench: neither end is told, and both must find out."""

from __future__ import annotations

from pathlib import Path

import pytest
from board.faults import linked, wait_until
from board.workstation import ROW, Workstation, wait_for_rounds

from edgecnn_runtime.host.lifeline import SILENCE_S

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("failing board")]

ROUNDS = 100


def at_work(station: Workstation) -> list[str]:
    """What runs there, but for the command that only holds the connection: sshd learns that the
    link is dead when the kernel does, two hours later (tcp(7), tcp_keepalive_time)."""
    return [one.command for one in station.board.processes() if one.command != "/bin/cat"]


def test_both_ends_give_up_and_resume_repeats_nothing(
    station: Workstation, network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with linked(station.board.port) as link:
        station.add("rpi", link.port)
        bench = ("bench", network, "--device", "rpi", *ROW, "--rounds", str(ROUNDS))
        process = station.start(*bench, "-o", "cable.jsonl")
        wait_for_rounds(station, "cable.jsonl", process)
        link.fall_silent()
        _, said = process.communicate(timeout=60)
        before = station.rounds("cable.jsonl")
        assert process.returncode == 1, said
        assert "the connection to rpi broke" in said
        assert "--resume continues" in said
        assert len(before) < ROUNDS
        seconds = wait_until(
            lambda: at_work(station) == [], 2 * SILENCE_S, "the board ends what it was asked"
        )
        wait_until(lambda: not station.left_runs(), 10, "and removes its folder")
    with capsys.disabled():
        print(f"\na cable out: the board was at rest {seconds:.1f} s after the client gave up")
    with linked(station.board.port, link.port):
        ran = station.run(*bench, "-o", "cable.jsonl", "--resume")
    assert ran.returncode == 0, ran.stderr
    assert f"resumes after {len(before)} rounds" in ran.stderr
    assert station.rounds("cable.jsonl") == list(range(ROUNDS))
