"""Rows of a bench: artefact × engine × threads."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import contents
from native_plans import brightest_plan

from edgecnn.bench.wanted import Wanted, subjects_of
from edgecnn.errors import BenchRefused
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.measure.job import MeasurementPlan


def test_an_engine_without_threads_has_one_row_of_one_thread(tmp_path: Path) -> None:
    path = tmp_path / "plan.edge"
    write_bundle(path, *contents("plan", brightest_plan()))
    wanted = Wanted(path, MeasurementPlan(), threads=(2, 1))
    host = {
        "host": {"cores": 2},
        "engines": {"native": "1", "native-web": "1"},
        "formats": {"native": ["plan"], "native-web": ["plan"]},
        "missing": {},
    }
    rows = subjects_of(wanted, {path: "x.edge"}, {"main": host}, {})
    assert [(row.engine, row.threads) for row in rows] == [
        ("native", 2),
        ("native-web", 1),
        ("native", 1),
    ]


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ("native", r"no native \(a browser has native-web\)"),
        ("native-web", r"no native-web \(--device browser has it\)"),
    ],
)
def test_an_engine_that_a_device_lacks_is_named_with_where_it_is(
    tmp_path: Path, engine: str, words: str
) -> None:
    path = tmp_path / "plan.edge"
    write_bundle(path, *contents("plan", brightest_plan()))
    host = {"host": {"cores": 2}, "engines": {}, "formats": {}, "missing": {}}
    with pytest.raises(BenchRefused, match=words):
        subjects_of(
            Wanted(path, MeasurementPlan(), engines=(engine,)), {path: "x.edge"}, {"main": host}, {}
        )
