"""A board without a Python: plans are measured there by the static agent, over real SSH."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from board.arm64 import Board
from board.test_unsuitable import hide_pythons
from board.workstation import Workstation, interrupted, wait_for_rounds
from planned import planned_bundle

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("failing board")]

STORE = "home/pi/.cache/edgecnn"


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planned_bundle(tmp_path_factory)


def test_a_plan_is_measured_on_a_board_without_a_python(
    new_pi4: Board, tmp_path: Path, planned: Path
) -> None:
    hide_pythons(new_pi4)
    station = Workstation(tmp_path, new_pi4)
    station.add()
    asked = station.run("doctor", "--device", "rpi")
    assert asked.returncode == 0, asked.stdout + asked.stderr
    options = ("--rounds", "8", "--cold-starts", "1", "--threads", "1,2", "--json")
    ran = station.run("bench", planned, "--device", "rpi", *options)
    assert ran.returncode == 0, ran.stderr
    (board,) = json.loads(ran.stdout)["devices"]
    assert (board["host"]["cpu"], board["host"]["cores"]) == ("Cortex-A72", 4)
    timed = [row for row in board["rows"] if row["latency"]]
    assert [(row["artefact"], row["threads"]) for row in timed] == [
        ("model.int8.plan", 1),
        ("model.int8.plan", 2),
    ]
    for row in timed:
        assert row["golden"] == "equal"
        assert row["note"].endswith("identical to this machine's, bit by bit")
        assert row["rounds"] == list(range(8))
        assert len(row["cold"]["samples_ms"]) == 1
    others = [row for row in board["rows"] if not row["latency"]]
    assert {row["artefact"] for row in others} == {"model.onnx", "model.int8.onnx"}
    assert all("rpi has no Python, the agent needs 3.11" in row["note"] for row in others)
    ran = station.run("bench", planned, "--device", "rpi", "--profile", "--json")
    assert ran.returncode == 0, ran.stderr
    (board,) = json.loads(ran.stdout)["devices"]
    (profiled,) = [row for row in board["rows"] if row["stages"]]
    kinds = [stage["kind"] for stage in profiled["stages"]]
    assert (kinds[0], kinds.count("convolution")) == ("quantise", 5)
    station.assert_nothing_is_left()
    # What the board has is not sent again, and Ctrl-C ends what runs there.
    (program,) = (new_pi4.root / STORE / "agents").iterdir()
    before = program.stat().st_mtime_ns
    long = ("--engine", "native", "--cold-starts", "0", "--sustained", "10m")
    process = station.start("bench", planned, "--device", "rpi", *long, "-o", "long.jsonl")
    wait_for_rounds(station, "long.jsonl", process)
    interrupted(process)
    station.assert_nothing_is_left()
    assert program.stat().st_mtime_ns == before
