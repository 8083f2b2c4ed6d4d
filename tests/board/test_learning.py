"""`edgecnn bench --learn --device rpi`: a step of learning on a board over SSH."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from board.workstation import Workstation

pytestmark = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.matrix,
    pytest.mark.xdist_group("board"),
]


def test_a_step_of_learning_is_measured_over_ssh(station: Workstation, tmp_path: Path) -> None:
    learning = tmp_path / "learning.edge"
    export = ("export", "lenet5", "--weights", "mnist", "--learn", "head", "--no-measure")
    made = station.run(*export, "-o", learning)
    assert made.returncode == 0, made.stderr
    station.add()
    options = ("--learn", "--batch", "4", "--rounds", "8", "--cold-starts", "1", "--csv")
    ran = station.run("bench", learning, "--device", "rpi", *options)
    assert ran.returncode in (0, 5), ran.stderr
    rows = list(csv.DictReader(ran.stdout.splitlines()))
    assert [row["artefact"] for row in rows] == ["model.onnx", "model.train.onnx"]
    assert all(float(row["median_ms"]) > 0 and row["golden"] == "equal" for row in rows)
    station.assert_nothing_is_left()
