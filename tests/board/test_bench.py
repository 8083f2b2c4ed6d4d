"""`edgecnn bench --device rpi`, from nothing to the table, and what is left on the board.

What is marked `matrix` is tested on this machine's own sshd too, in `unit/edgecnn/devices/ssh`.
"""

from __future__ import annotations

import csv
import time
from pathlib import Path

import pytest
from board.arm64 import Board
from board.faults import linked, wait_until
from board.workstation import LITERT, LONG, SHORT, Workstation, interrupted, wait_for_rounds

from edgecnn.devices.ssh.board import SshBoard
from edgecnn.devices.ssh.connection import COMMAND_VARIABLE

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("board")]


def test_two_commands_lead_from_an_address_to_the_table(
    station: Workstation, network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = station.board
    added = station.run("devices", "add", "rpi", board.destination, "--port", str(board.port))
    assert added.returncode == 0, added.stderr
    options = (*LITERT, "--rounds", "8", "--cold-starts", "1")
    began = time.monotonic()
    cold = station.run("bench", network, "--device", "rpi", *options)
    cold_s = time.monotonic() - began
    assert cold.returncode == 0, cold.stderr
    with linked(board.port) as link:
        station.add("again", link.port)
        began = time.monotonic()
        warm = station.run("bench", network, "--device", "again", *options, "--csv")
        warm_s = time.monotonic() - began
        sent = link.sent_bytes
    assert warm.returncode == 0, warm.stderr
    with capsys.disabled():
        print(f"\nbench over SSH on the emulated board: {cold_s:.1f} s cold, {warm_s:.1f} s warm,")
        print(f"and {sent - network.stat().st_size} bytes beside the model the second time")
    machine, _, *rows = cold.stdout.splitlines()
    assert machine.startswith("rpi: Raspberry Pi 5 Model B Rev 1.0, 4 × Cortex-A76, 2400 MHz")
    assert [row.split()[0] for row in rows if row.startswith("model.")] == [
        "model.tflite",
        "model.int8.tflite",
    ]
    read = list(csv.DictReader(warm.stdout.splitlines()))
    assert [row["golden"] for row in read] == ["equal", "equal"]
    assert all(float(row["median_ms"]) > 0 for row in read)
    # What the board has is not sent again.
    assert sent < network.stat().st_size + 1_000_000
    station.assert_nothing_is_left()


@pytest.mark.matrix
def test_a_bundle_arrives_as_it_is(
    station: Workstation, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(COMMAND_VARIABLE, station.environment()[COMMAND_VARIABLE])
    board = SshBoard("rpi", station.board.destination, station.board.port)
    try:
        board.prepare({"ai-edge-litert"})
        before = board.sent_bytes
        (place,) = board.send([network]).values()
        assert board.sent_bytes - before == network.stat().st_size
        assert (station.board.root / place.lstrip("/")).read_bytes() == network.read_bytes()
    finally:
        board.close()
    station.assert_nothing_is_left()


@pytest.mark.matrix
def test_a_slow_link_and_a_login_script_that_talks_change_nothing(
    station: Workstation, network: Path
) -> None:
    script = station.board.home / ".bashrc"
    script.write_text('echo \'{"event": "result"\'; echo Welcome to your Pi; echo oh >&2\n')
    try:
        with linked(station.board.port) as link:
            link.delay_s, link.bytes_per_s = 0.05, 2_000_000
            station.add("slow", link.port)
            ran = station.run("bench", network, "--device", "slow", *SHORT)
    finally:
        script.unlink()
    assert ran.returncode == 0, ran.stderr
    assert "Welcome" not in ran.stdout + ran.stderr


def test_two_benches_take_turns_and_ctrl_c_makes_room_for_the_next(
    station: Workstation, network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    station.add()
    first = station.start("bench", network, "--device", "rpi", *LONG, "-o", "first.jsonl")
    wait_for_rounds(station, "first.jsonl", first)
    firsts = set(station.board.processes())
    refused = station.run("bench", network, "--device", "rpi", *SHORT, "--wait", "0")
    assert refused.returncode == 1
    assert "another bench holds this machine: " in refused.stderr
    second = station.start("bench", network, "--device", "rpi", *SHORT)
    assert second.stderr is not None
    said = ""
    while "which has used the machine since" not in said:
        said = second.stderr.readline()
        assert said, second.communicate()
    began = time.monotonic()
    _, said = interrupted(first)
    wait_until(lambda: not firsts & set(station.board.processes()), 10, "the board stops")
    with capsys.disabled():
        print(f"\n{time.monotonic() - began:.1f} s after Ctrl-C nothing of it ran on the board")
    assert first.returncode == 130
    assert "--resume" in said
    second.communicate(timeout=120)
    assert second.returncode == 0
    station.assert_nothing_is_left()


@pytest.mark.matrix
def test_a_link_that_breaks_is_told_and_leaves_nothing(station: Workstation, network: Path) -> None:
    with linked(station.board.port) as link:
        station.add("far", link.port)
        process = station.start("bench", network, "--device", "far", *LONG, "-o", "far.jsonl")
        wait_for_rounds(station, "far.jsonl", process)
        link.cut()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the connection to far broke" in said
    assert "--resume continues" in said
    station.assert_nothing_is_left()


@pytest.mark.matrix
def test_a_link_that_breaks_while_engines_are_sent_leaves_none_half_there(
    new_pi4: Board, tmp_path: Path, network: Path
) -> None:
    station = Workstation(tmp_path, new_pi4)
    with linked(new_pi4.port) as link:
        station.add("far", link.port)
        link.cut_after(3_000_000)
        ran = station.run("bench", network, "--device", "far", *SHORT)
    assert ran.returncode == 1
    assert "the connection to far broke" in ran.stderr, ran.stderr
    station.assert_nothing_is_left()
    held = new_pi4.files("/home/pi/.cache/edgecnn/wheels")
    assert not any(".part" in path for path in held)
    station.add("near")
    assert station.run("bench", network, "--device", "near", *SHORT).returncode == 0


@pytest.mark.matrix
def test_a_board_that_reboots_is_told_and_swept_by_the_next_bench(
    station: Workstation, network: Path
) -> None:
    station.add()
    process = station.start("bench", network, "--device", "rpi", *LONG, "-o", "boot.jsonl")
    wait_for_rounds(station, "boot.jsonl", process)
    station.board.cut_power()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the connection to rpi broke: the link dropped, or the board went down" in said
    assert station.left_runs()
    station.board.boot()
    ran = station.run("bench", network, "--device", "rpi", *SHORT)
    assert ran.returncode == 0, ran.stderr
    station.assert_nothing_is_left()
