"""``edgecnn bench`` on a compile target: the compiler's estimate, apart from latencies."""

from __future__ import annotations

import json
from pathlib import Path

from e2e.conftest import Run
from unit.edgecnn.bench.test_estimated import bundle


def test_an_estimate_needs_no_device_and_no_compiler(edgecnn: Run, tmp_path: Path) -> None:
    path = bundle(tmp_path)
    ran = edgecnn("bench", path, "--device", "ethos-u55-128")
    assert ran.returncode == 0, ran.stderr
    assert "not measured" in ran.stdout
    assert "median" not in ran.stdout
    missing = edgecnn("bench", path, "--device", "host,ethos-u65-256")
    assert missing.returncode == 1
    assert missing.stderr.strip().endswith(f"edgecnn compile {path} --for ethos-u65-256")
    assert missing.stdout == ""


def test_beside_a_measurement_it_has_a_field_of_its_own(edgecnn: Run, tmp_path: Path) -> None:
    path = bundle(tmp_path)
    quick = ("--rounds", "8", "--cold-starts", "0", "--engine", "fake")
    command = ("bench", path, "--device", "host,ethos-u55-128", *quick)
    document = json.loads(edgecnn(*command, "--json").stdout)
    (device,), (estimate,) = document["devices"], document["estimated"]
    assert [row["artefact"] for row in device["rows"]] == ["model.fake"]
    assert (estimate["device"], estimate["cycles"]) == ("ethos-u55-128", 627_760)
    refused = edgecnn(*command, "--csv")
    assert refused.returncode == 2
    assert "--csv is for latencies, which an estimate is not" in refused.stderr
