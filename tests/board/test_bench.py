"""`edgecnn bench --device rpi`, from nothing to the table, and what is left on the board."""

from __future__ import annotations

import csv
import json
import subprocess
import time
from pathlib import Path

import pytest
from board.arm64 import Board
from board.faults import linked, wait_until
from board.workstation import SHORT, Workstation, interrupted, wait_for_rounds

from edgecnn.devices.ssh.board import SshBoard
from edgecnn.devices.ssh.connection import COMMAND_VARIABLE

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("board")]

# Far longer than any of these tests: it is interrupted.
LONG = (*SHORT[:4], "--sustained", "10m", "--cold-starts", "0")


def assert_nothing_is_left(station: Workstation) -> None:
    wait_until(lambda: not station.board.processes(), 10, "its processes end")
    wait_until(lambda: not station.left_runs(), 10, "its folders for runs are removed")


def test_two_commands_lead_from_an_address_to_the_table(
    station: Workstation, network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    station.add()
    began = time.monotonic()
    cold = station.run("bench", network, "--device", "rpi", *SHORT)
    cold_s = time.monotonic() - began
    assert cold.returncode == 0, cold.stderr
    began = time.monotonic()
    warm = station.run("bench", network, "--device", "rpi", *SHORT, "--csv")
    warm_s = time.monotonic() - began
    assert warm.returncode == 0, warm.stderr
    with capsys.disabled():
        print(f"\nbench over SSH on the emulated board: {cold_s:.1f} s cold, {warm_s:.1f} s warm")
    machine, _, *rows = cold.stdout.splitlines()
    assert machine.startswith("rpi: Raspberry Pi 5 Model B Rev 1.0, 4 × Cortex-A76, 2400 MHz")
    assert [row.split()[0] for row in rows if row.startswith("model.")] == [
        "model.tflite",
        "model.int8.tflite",
    ]
    read = list(csv.DictReader(warm.stdout.splitlines()))
    assert [row["golden"] for row in read] == ["equal", "equal"]
    assert all(float(row["median_ms"]) > 0 for row in read)
    assert_nothing_is_left(station)


def test_what_the_board_has_is_not_sent_again(
    station: Workstation, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(COMMAND_VARIABLE, station.environment()[COMMAND_VARIABLE])
    board = SshBoard("rpi", station.board.destination, station.board.port)
    try:
        board.prepare({"ai-edge-litert"})
        first = board.sent_bytes
        board.prepare({"ai-edge-litert"})
        assert board.sent_bytes == first
        (place,) = board.send([network]).values()
        assert board.sent_bytes - first == network.stat().st_size
        assert (station.board.root / place.lstrip("/")).read_bytes() == network.read_bytes()
    finally:
        board.close()
    assert_nothing_is_left(station)


def test_doctor_and_devices_know_the_board(station: Workstation) -> None:
    station.add()
    ran = station.run("doctor", "--device", "rpi", "--json")
    assert ran.returncode == 0, ran.stderr
    checks = {check["what"]: check for check in json.loads(ran.stdout)["checks"]}
    assert checks["userland"]["found"] == "aarch64, 64-bit"
    assert checks["libc"]["found"] == "glibc 2.36"
    assert checks["engine ai-edge-litert"]["ok"]
    listed = station.run("devices")
    assert "Raspberry Pi 5" in listed.stdout
    assert_nothing_is_left(station)


def test_ctrl_c_stops_the_board_and_resume_repeats_nothing(
    station: Workstation, network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    station.add()
    bench = ("bench", network, "--device", "rpi", *SHORT[:4], "--rounds", "200", "-o", "a.jsonl")
    process = station.start(*bench)
    wait_for_rounds(station, "a.jsonl", process)
    _, said = interrupted(process)
    seconds = wait_until(lambda: not station.board.processes(), 10, "the board is at rest")
    with capsys.disabled():
        print(f"\nafter Ctrl-C the board was at rest in {seconds:.1f} s")
    assert process.returncode == 130
    assert "--resume" in said
    before = station.rounds("a.jsonl")
    cold = sum(one["event"] == "cold" for one in station.events("a.jsonl"))
    assert (len(before) < 200, cold) == (True, 0)
    ran = station.run(*bench, "--resume")
    assert ran.returncode == 0, ran.stderr
    assert f"goes on after {len(before)} rounds" in ran.stderr
    after = station.rounds("a.jsonl")
    assert after == list(range(len(after)))
    assert after[: len(before)] == before
    assert_nothing_is_left(station)


def test_a_link_that_breaks_is_told_and_leaves_nothing(station: Workstation, network: Path) -> None:
    with linked(station.board.port) as link:
        station.add("far", link.port)
        process = station.start("bench", network, "--device", "far", *LONG, "-o", "b.jsonl")
        wait_for_rounds(station, "b.jsonl", process)
        link.cut()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the connection to far broke" in said
    assert "--resume goes on" in said
    assert_nothing_is_left(station)


def test_a_link_that_breaks_while_engines_are_sent_leaves_none_half_there(
    new_pi4: Board, tmp_path: Path, network: Path
) -> None:
    station = Workstation(tmp_path, new_pi4)
    with linked(new_pi4.port) as link:
        station.add("far", link.port, "--no-check")
        link.cut_after(3_000_000)
        ran = station.run("bench", network, "--device", "far", *SHORT)
    assert ran.returncode == 1
    assert "the connection to far broke" in ran.stderr, ran.stderr
    wait_until(lambda: not new_pi4.processes(), 10, "its processes end")
    held = new_pi4.files("/home/pi/.cache/edgecnn/wheels")
    assert not any(".part" in path for path in held)
    station.add("near")
    assert station.run("bench", network, "--device", "near", *SHORT).returncode == 0


def test_a_slow_link_takes_longer_and_nothing_else(station: Workstation, network: Path) -> None:
    with linked(station.board.port) as link:
        link.delay_s, link.bytes_per_s = 0.05, 2_000_000
        station.add("slow", link.port)
        ran = station.run("bench", network, "--device", "slow", *SHORT)
    assert ran.returncode == 0, ran.stderr


def test_a_board_that_reboots_is_told_and_swept_by_the_next_bench(
    new_pi4: Board, tmp_path: Path, network: Path
) -> None:
    station = Workstation(tmp_path, new_pi4)
    station.add()
    process = station.start("bench", network, "--device", "rpi", *LONG, "-o", "c.jsonl")
    wait_for_rounds(station, "c.jsonl", process)
    new_pi4.cut_power()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the connection to rpi broke: the link dropped, or the board went down" in said
    assert station.left_runs()
    new_pi4.boot()
    ran = station.run("bench", network, "--device", "rpi", *SHORT)
    assert ran.returncode == 0, ran.stderr
    assert_nothing_is_left(station)


def test_a_killed_agent_is_told_and_its_workers_end(station: Workstation, network: Path) -> None:
    station.add()
    process = station.start("bench", network, "--device", "rpi", *LONG, "-o", "d.jsonl")
    wait_for_rounds(station, "d.jsonl", process)
    (agent,) = (p for p in station.board.processes() if p.command.endswith(".pyz bench"))
    station.board.kill(agent)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the agent on rpi was killed there" in said
    assert_nothing_is_left(station)


def test_a_killed_worker_ends_its_row_only(station: Workstation, network: Path) -> None:
    station.add()
    bench = ("bench", network, "--device", "rpi", *SHORT[:4], "--rounds", "200", "-o", "e.jsonl")
    process = station.start(*bench, "--cold-starts", "0", "--json")
    wait_for_rounds(station, "e.jsonl", process)
    worker = next(p for p in station.board.processes() if " work " in p.command)
    station.board.kill(worker)
    printed, said = process.communicate(timeout=120)
    assert process.returncode == 3, said
    (device,) = json.loads(printed)["devices"]
    assert sorted(row["golden"] for row in device["rows"]) == ["crashed", "equal"]
    assert_nothing_is_left(station)


def test_two_benches_take_turns_on_a_board(station: Workstation, network: Path) -> None:
    station.add()
    first = station.start("bench", network, "--device", "rpi", *LONG, "-o", "f.jsonl")
    wait_for_rounds(station, "f.jsonl", first)
    refused = station.run("bench", network, "--device", "rpi", *SHORT, "--wait", "0")
    assert refused.returncode == 1
    assert "another bench holds this machine: " in refused.stderr
    second = station.start("bench", network, "--device", "rpi", *SHORT)
    assert second.stderr is not None
    said = ""
    while "who holds the machine since" not in said:
        said = second.stderr.readline()
        assert said, second.communicate()
    interrupted(first)
    second.communicate(timeout=120)
    assert second.returncode == 0
    assert_nothing_is_left(station)


def test_what_a_login_script_prints_does_not_matter(station: Workstation, network: Path) -> None:
    station.add()
    script = station.board.home / ".bashrc"
    script.write_text('echo \'{"event": "result"\'; echo Welcome to your Pi; echo oh >&2\n')
    try:
        ran = station.run("bench", network, "--device", "rpi", *SHORT)
    finally:
        script.unlink()
    assert ran.returncode == 0, ran.stderr


def test_more_threads_than_cores_are_refused(station: Workstation, network: Path) -> None:
    station.add()
    ran = station.run("bench", network, "--device", "rpi", "--engine", "tflite", "--threads", "64")
    assert ran.returncode == 1
    assert "--threads 64 is more than the 4 cores there are, on rpi" in ran.stderr


def test_a_client_that_is_killed_leaves_nothing(station: Workstation, network: Path) -> None:
    station.add()
    process = station.start("bench", network, "--device", "rpi", *LONG, "-o", "g.jsonl")
    wait_for_rounds(station, "g.jsonl", process)
    process.kill()
    process.communicate()
    assert_nothing_is_left(station)
    assert not _ssh_clients(station)


def _ssh_clients(station: Workstation) -> bool:
    def are_there() -> bool:
        found = subprocess.run(
            ["pgrep", "-f", f"ssh -F {station.board.ssh_config}"], capture_output=True, check=False
        )
        return found.returncode == 0

    try:
        wait_until(lambda: not are_there(), 10, "ssh ends")
    except AssertionError:
        return True
    return False
