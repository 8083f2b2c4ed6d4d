"""A bench keeps what `open` chooses by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from unit.edgecnn.bench.events import STATE, run
from unit.runtime.choice.both import ENGINE_OF, PLAN, manifest_of, write_both

import edgecnn_runtime as edge
from edgecnn.bench.known import keep_measured
from edgecnn.bundles.opens import usual_order, what_opens
from edgecnn_runtime.choice.kept import kept_latencies
from edgecnn_runtime.host.facts import CpuTimes
from edgecnn_runtime.measure.job import Subject
from edgecnn_runtime.measure.results import BenchResult, assemble

BUSY = replace(STATE, cpu=CpuTimes(400.0, 0.0, 480.0), own_seconds=30.0)


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGECNN_MEASURED", str(tmp_path / "measured"))
    return write_both(tmp_path / "both.edge")


def subjects(path: Path, environment: str = "host", batch: int | None = None) -> list[Subject]:
    precisions = {"model.onnx": "fp32", PLAN: "int8"}
    return [
        Subject(str(path), artefact, engine, precisions[artefact], 1, environment, batch=batch)
        for artefact, engine in ENGINE_OF.items()
    ]


def measured(
    rows: list[Subject], latency_ms: Callable[[int, int], float], **others: object
) -> BenchResult:
    return assemble(rows, run(16, latency_ms, rows, **others))


def float_first(row: int, number: int) -> float:
    return 1.0 + row


def test_open_takes_what_a_bench_measured(both: Path) -> None:
    before = what_opens(both)
    assert (before.artefact, before.basis) == (PLAN, "order")
    keep_measured(measured(subjects(both), float_first), {str(both): both})
    opens = what_opens(both)
    assert (opens.artefact, opens.engine, opens.threads) == ("model.onnx", "onnxruntime", 1)
    assert opens.words() == (f"edge.open takes model.onnx with onnxruntime: {opens.reason}")
    assert opens.reason.startswith("fastest of 2 measured on this machine, 20")
    with edge.open(both) as model:
        assert (model.engine.name, model.reason) == ("onnxruntime", opens.reason)


def test_a_disturbed_run_keeps_no_times_but_wrong_answers(both: Path) -> None:
    rows = subjects(both)
    events = run(16, float_first, rows, after=BUSY)
    events[1] |= {"verdict": "differs"}
    result = assemble(rows, [e for e in events if e["event"] != "round"])
    assert result.tainted
    keep_measured(result, {str(both): both})
    kept = kept_latencies(record.sha256 for record in manifest_of(both).files.values())
    assert [(row.engine, row.verdict, row.median_ms) for row in kept] == [
        ("native", "differs", None)
    ]
    assert what_opens(both).artefact == "model.onnx"


@pytest.mark.parametrize("other", [{"environment": "main"}, {"batch": 16}])
def test_other_interpreters_and_batches_say_nothing_of_open(
    both: Path, other: dict[str, object]
) -> None:
    keep_measured(measured(subjects(both, **other), float_first), {str(both): both})
    assert what_opens(both).basis == "order"


def test_the_order_lists_the_engines_that_are_there() -> None:
    assert set(usual_order({"onnxruntime"})) == {
        "onnxruntime int8",
        "onnxruntime fp32",
        "onnxruntime fp16",
    }
