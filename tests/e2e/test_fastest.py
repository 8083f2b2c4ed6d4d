"""What `open` takes: in doctor, bench and run."""

from __future__ import annotations

import json
from pathlib import Path

from e2e.conftest import PHOTOGRAPHS, Run

KEPT = Path(__file__).parents[1] / "data/bundles/lenet5.edge"
CAT = PHOTOGRAPHS / "cat.jpg"


def test_doctor_says_what_open_takes_of_a_bundle(edgecnn: Run) -> None:
    ran = edgecnn("doctor", KEPT)
    assert "edge.open takes model." in ran.stdout.splitlines()[-1]
    assert f"; to measure: edgecnn bench {KEPT}" in ran.stdout.splitlines()[-1]
    opens = json.loads(edgecnn("doctor", KEPT, "--json").stdout)["opens"]
    assert opens["basis"] == "order"
    taken = json.loads(edgecnn("run", KEPT, CAT, "--json").stdout)
    assert {key: taken[key] for key in ("artefact", "engine", "precision", "reason")} == {
        key: opens[key] for key in ("artefact", "engine", "precision", "reason")
    }
    assert edgecnn("doctor", KEPT, "--device", "rpi").returncode == 2


def test_bench_says_what_open_takes_from_then_on(edgecnn: Run, tmp_path: Path) -> None:
    own = {"EDGECNN_MEASURED": str(tmp_path / "measured")}
    short = ("--rounds", "8", "--cold-starts", "0", "--threads", "1", "--json")
    benched = json.loads(edgecnn("bench", KEPT, *short, **own).stdout)
    (device,) = benched["devices"]
    is_kept = not device["tainted"]
    assert benched["opens"]["basis"] == ("measured here" if is_kept else "order")
    ran = json.loads(edgecnn("run", KEPT, CAT, "--json", **own).stdout)
    assert ran["reason"] == benched["opens"]["reason"]
    if is_kept:
        best = min(device["rows"], key=lambda row: row["latency"]["median_ms"])
        assert (best["artefact"], best["precision"]) == (ran["artefact"], ran["precision"])
