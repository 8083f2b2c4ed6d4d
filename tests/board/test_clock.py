"""A board without a battery for its clock: NTP sets the time in the middle of a bench."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from board.workstation import ROW, Workstation, wait_for_rounds

from edgecnn.devices.build_once import build_once
from edgecnn.devices.emulated.userland import SUITE

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("failing board")]

PACKAGE = "libfaketime"
# It moves the clock that tells the time of day, in every program of a session, and leaves alone the
# one that counts since boot, as a real jump does. Its clock_nanosleep then answers EINVAL, which a
# real one does not: Python waits by it for a cold start's end, so there are none in this bench.
SESSION = """\
export FAKETIME_TIMESTAMP_FILE=/run/clock FAKETIME_NO_CACHE=1
export DONT_FAKE_MONOTONIC=1 FAKETIME_DONT_FAKE_MONOTONIC=1
export LD_PRELOAD=/usr/lib/libfaketime.so
"""
YEAR_MS = 365 * 24 * 3600 * 1000
ROUNDS = 20


@pytest.fixture(scope="session")
def faketime(programs: Path) -> Path:
    """A library of the board that moves its clock."""

    def unpack(folder: Path) -> None:
        options = ["--quiet", "--architectures=arm64", "--mode=chrootless", "--variant=extract"]
        options += ["--skip=check/qemu", f"--include={PACKAGE}"]
        command = ["mmdebstrap", *options, SUITE, str(folder)]
        subprocess.run(command, check=True, capture_output=True)

    folder = build_once(PACKAGE, f"{SUITE} {PACKAGE}", unpack)
    return folder / "usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"


def year(station: Workstation) -> int:
    return int(station.board.ssh("date +%Y").stdout)


def test_a_jump_of_the_clock_moves_no_latency(
    station: Workstation, network: Path, faketime: Path
) -> None:
    shutil.copy(faketime, station.board.root / "usr/lib/libfaketime.so")
    clock = station.board.root / "run/clock"
    clock.write_text("+0")
    session = station.board.home / ".bashrc"
    session.write_text(SESSION)
    try:
        before = year(station)
        station.add()
        bench = ("bench", network, "--device", "rpi", *ROW, "--rounds", str(ROUNDS))
        process = station.start(*bench, "-o", "jump.jsonl")
        wait_for_rounds(station, "jump.jsonl", process)
        clock.write_text("-20y")
        _, said = process.communicate(timeout=120)
        after = year(station)
    finally:
        session.unlink()
    assert process.returncode == 0, said
    assert before - after == 20
    rounds = [one for one in station.events("jump.jsonl") if one["event"] == "round"]
    assert [one["number"] for one in rounds] == list(range(ROUNDS))
    ends = [one["at_s"] for one in rounds]
    assert ends == sorted(ends)
    samples = [one for each in rounds for block in each["blocks"] for one in block["samples_ms"]]
    assert all(0 < one < YEAR_MS for one in samples)
