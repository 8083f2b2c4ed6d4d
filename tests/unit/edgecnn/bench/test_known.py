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
from edgecnn.bench.record import record_measured
from edgecnn.bundles.opens import usual_order, what_opens
from edgecnn.errors import OptionsRefused
from edgecnn.results.benching import BenchOptions, bench_bundle
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.choice import fastest
from edgecnn_runtime.choice.kept import kept_latencies
from edgecnn_runtime.host.facts import CpuTimes
from edgecnn_runtime.host.processor import Processor
from edgecnn_runtime.measure.job import Subject
from edgecnn_runtime.measure.results import BenchResult, assemble

A76 = Processor("Cortex-A76", "aarch64", ("asimddp",))
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


def test_medians_of_a_board_go_into_the_bundle(both: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = subjects(both, "main")
    assert record_measured(both, [measured(board, float_first)]) == 2
    with Bundle(both) as bundle:
        bundle.check()
        rows = bundle.manifest.provenance["measured"]
    assert {(row["engine"], row["processor"], row["median_ms"]) for row in rows} == {
        ("onnxruntime", "Cortex-A76", 1.0),
        ("native", "Cortex-A76", 2.0),
    }
    assert what_opens(both).basis == "order", "this machine has another processor"
    monkeypatch.setattr(fastest, "this_processor", lambda: A76)
    opens = what_opens(both)
    assert (opens.artefact, opens.basis) == ("model.onnx", "measured elsewhere")
    # Measured again, with another result: it replaces the first.
    assert record_measured(both, [measured(board, lambda row, number: 2.0 - row)]) == 2
    with Bundle(both) as bundle:
        assert len(bundle.manifest.provenance["measured"]) == 2
    assert what_opens(both).artefact == PLAN


def test_a_disturbed_run_is_not_recorded(both: Path) -> None:
    before = both.read_bytes()
    result = measured(subjects(both, "main"), float_first, after=BUSY)
    assert record_measured(both, [result]) == 0
    assert both.read_bytes() == before


@pytest.mark.parametrize("other", [{"learns": True}, {"against": Path("other.edge")}])
def test_rows_of_another_kind_are_not_recorded(both: Path, other: dict[str, object]) -> None:
    with pytest.raises(OptionsRefused, match="--record: not with --learn or --against"):
        bench_bundle(str(both), BenchOptions(is_recorded=True, **other))
