"""A whole bench, as the agent runs it: real processes, the double as engine and real engines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import MODELS, contents

from edgecnn_runtime.bundle.write import npy, write_bundle
from edgecnn_runtime.errors import MeasureError
from edgecnn_runtime.measure.benchmark import benchmark
from edgecnn_runtime.measure.job import Environment, MeasurementJob, MeasurementPlan, Subject
from edgecnn_runtime.measure.results import BenchResult, assemble

SHORT = MeasurementPlan(rounds=8, block_ms=1, warmup_s=0.1)


@pytest.fixture(params=MODELS)
def any_bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    format, model = MODELS[request.param]
    content = model()
    write_bundle(tmp_path / "any.edge", *contents(format, content.model, content.weights))
    return tmp_path / "any.edge"


def run(job: MeasurementJob) -> tuple[BenchResult, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    benchmark(job, events.append)
    return assemble(job.subjects, events), events


def test_rows_are_proven_timed_in_turn_and_compared(any_bundle: Path) -> None:
    new = Subject(str(any_bundle), threads=1, against=1)
    result, events = run(MeasurementJob((new, Subject(str(any_bundle), threads=1)), SHORT))
    assert [row.verdict for row in result.rows] == ["equal", "equal"]
    for row in result.rows:
        assert row.latency is not None
        assert len(row.latency.blocks_ms) == 8
        assert row.difference is not None
    assert result.rows[0].comparison is not None
    assert result.rows[0].comparison.rounds == 8
    assert result.rows[1].comparison is None
    orders = [[b["row"] for b in e["blocks"]] for e in events if e["event"] == "round"]
    assert orders[:4] == [[0, 1], [1, 0], [1, 0], [0, 1]]
    assert result.host is not None
    assert events[-1] == {"event": "progress", "done": 1.0}


def test_an_artefact_that_answers_wrongly_is_not_timed_and_the_others_are(
    bundle: Path, tmp_path: Path
) -> None:
    manifest, files = contents()
    files["golden/0.output0.npy"] = npy(np.zeros((1, 3), np.float32))
    write_bundle(tmp_path / "wrong.edge", manifest, files)
    result, _ = run(
        MeasurementJob((Subject(str(tmp_path / "wrong.edge")), Subject(str(bundle))), SHORT)
    )
    wrong, right = result.rows
    assert (wrong.verdict, wrong.latency) == ("differs", None)
    assert wrong.difference is not None
    assert right.latency is not None


def test_what_cannot_be_opened_is_a_row_that_says_why(bundle: Path) -> None:
    result, _ = run(MeasurementJob((Subject(str(bundle), engine="nonesuch"),), SHORT))
    assert result.rows[0].verdict == "refused"
    assert "no engine is called 'nonesuch'" in result.rows[0].note


def test_cold_starts_are_fresh_processes(bundle: Path) -> None:
    plan = MeasurementPlan(rounds=8, block_ms=1, warmup_s=0.1, cold_starts=2)
    result, _ = run(MeasurementJob((Subject(str(bundle)),), plan))
    assert result.rows[0].cold is not None
    assert len(result.rows[0].cold.samples_ms) == 2
    assert result.rows[0].cold.peak_memory_bytes > 1e6


def test_what_was_finished_is_not_measured_again(bundle: Path) -> None:
    plan = MeasurementPlan(rounds=8, block_ms=1, warmup_s=0.1, cold_starts=2)
    subjects = (Subject(str(bundle)), Subject(str(bundle), against=0))
    _, first = run(MeasurementJob(subjects, plan))
    cut = next(i for i, e in enumerate(first) if e["event"] == "round" and e["number"] == 4)
    kept = first[: cut + 1]
    _, rest = run(MeasurementJob(subjects, plan, done_rounds=5, done_cold=(2, 1)))
    assert [e["number"] for e in rest if e["event"] == "round"] == [5, 6, 7]
    assert [e["row"] for e in rest if e["event"] == "cold"] == [1]
    joined = assemble(subjects, [*kept, *rest])
    assert joined.rows[1].rounds == tuple(range(8))
    assert joined.rows[1].comparison is not None
    assert [m.at_s for m in joined.moments] == sorted(m.at_s for m in joined.moments)


def test_a_row_may_run_in_another_interpreter(bundle: Path) -> None:
    other = Environment((sys.executable, "-m", "edgecnn_runtime"), ())
    subject = Subject(str(bundle), environment="other")
    result, _ = run(MeasurementJob((subject,), SHORT, environments={"other": other}))
    assert result.rows[0].latency is not None


def test_a_worker_that_is_killed_ends_its_row_only(bundle: Path) -> None:
    subjects = (Subject(str(bundle)), Subject(str(bundle), against=0))
    events: list[dict[str, Any]] = []

    def hear(event: dict[str, Any]) -> None:
        events.append(event)
        if event["event"] == "round" and event["number"] == 2:
            os.kill(workers_of(os.getpid())[0], signal.SIGKILL)

    benchmark(MeasurementJob(subjects, SHORT), hear)
    result = assemble(subjects, events)
    assert sorted(row.verdict for row in result.rows) == ["crashed", "equal"]
    (dead,) = (row for row in result.rows if row.verdict == "crashed")
    assert "SIGKILL" in dead.note
    assert all(row.comparison is None for row in result.rows)


def workers_of(pid: int) -> list[int]:
    words = {child: Path(f"/proc/{child}/cmdline").read_bytes() for child in children(pid)}
    return [child for child, command in words.items() if b"\0work\0" in command]


def children(pid: int) -> list[int]:
    listing = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in listing.split()]


@pytest.fixture
def agent(bundle: Path) -> Iterator[subprocess.Popen[str]]:
    """The agent in the middle of a long bench."""
    job = MeasurementJob(
        (Subject(str(bundle)),), MeasurementPlan(sustained_s=600, block_ms=1, warmup_s=0.1)
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "edgecnn_runtime", "bench"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(job.to_json()) + "\n")
    process.stdin.flush()
    for line in process.stdout:
        if json.loads(line)["event"] == "round":
            break
    yield process
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        stream.close()


def test_the_agent_and_its_workers_end_when_stdin_does(agent: subprocess.Popen[str]) -> None:
    workers = children(agent.pid)
    assert workers
    assert agent.stdin is not None
    agent.stdin.close()
    agent.wait(timeout=30)
    assert not is_running(workers)


def test_workers_end_when_the_agent_is_killed(agent: subprocess.Popen[str]) -> None:
    workers = children(agent.pid)
    agent.kill()
    agent.wait()
    assert not is_running(workers)


def is_running(pids: list[int]) -> bool:
    """Whether some of them still run, ten seconds from now at the latest."""
    for _ in range(100):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return False
        time.sleep(0.1)
    return True


def test_an_agent_without_a_job_says_so() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "edgecnn_runtime", "bench"],
        input="{}\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith("edgecnn_runtime: the first line on stdin is '{}")


def test_a_second_bench_waits_and_says_who_holds_the_machine(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgecnn_runtime.host.lock import machine_lock

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    events: list[dict[str, Any]] = []
    with machine_lock("anna@laptop", 0, events.append):
        with pytest.raises(MeasureError, match="anna@laptop"):
            benchmark(MeasurementJob((Subject(str(bundle)),), SHORT, wait_s=0), events.append)
        assert events[0]["event"] == "waiting"
        assert events[0]["holder"]["pid"] == os.getpid()
    benchmark(MeasurementJob((Subject(str(bundle)),), SHORT, wait_s=0), events.append)
    assert events[-1]["done"] == 1.0


def test_a_lock_is_never_written_through_a_link(tmp_path: Path) -> None:
    from edgecnn_runtime.host.lock import NAME, machine_lock

    (tmp_path / "precious").write_text("kept")
    (tmp_path / NAME).symlink_to(tmp_path / "precious")
    lock = machine_lock("x", 0, lambda holder: None, tmp_path)
    with pytest.raises(MeasureError, match="cannot lock"), lock:
        pass
    assert (tmp_path / "precious").read_text() == "kept"
