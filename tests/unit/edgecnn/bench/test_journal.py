"""Results on disk: what a crash leaves, what is resumed, what is compared."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from unit.edgecnn.bench.events import FLOAT, INT8, run

from edgecnn.bench.compare import changes
from edgecnn.bench.journal import Journal, Record, new_header, read_journal
from edgecnn.bench.wanted import Wanted
from edgecnn.errors import JournalBusy, JournalUnreadable
from edgecnn_runtime.measure.job import MeasurementJob, MeasurementPlan

BOTH = (FLOAT, INT8)


@pytest.fixture
def wanted(bundle: Path) -> Wanted:
    return Wanted(bundle, MeasurementPlan())


def write(path: Path, wanted: Wanted, factor: float = 1.0, *, is_finished: bool = True) -> Record:
    journal = Journal(path, new_header(wanted, ["rpi"]))
    subjects = MeasurementJob(BOTH, MeasurementPlan()).to_json()["subjects"]
    journal.note("rpi", {"event": "job", "subjects": subjects})
    for event in run(30, lambda row, number: (10.0, 6.0)[row] * factor * (1 + number % 3 / 500)):
        journal.note("rpi", event)
    journal.note("rpi", {"event": "progress", "done": 1.0})
    if is_finished:
        journal.note("rpi", {"event": "finished"})
    journal.close()
    return read_journal(path)


def test_what_is_written_is_read(tmp_path: Path, wanted: Wanted) -> None:
    record = write(tmp_path / "a.jsonl", wanted)
    assert record.finished == {"rpi"}
    assert record.subjects["rpi"] == BOTH
    result = record.result("rpi")
    assert result.rows[0].latency is not None
    assert len(result.rows[0].latency.samples_ms) == 90
    assert result.rows[0].cold is not None
    assert '"progress"' not in (tmp_path / "a.jsonl").read_text()


def test_a_line_that_a_crash_cut_short_is_left_out(tmp_path: Path, wanted: Wanted) -> None:
    path = tmp_path / "a.jsonl"
    write(path, wanted, is_finished=False)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    events = read_journal(path).events["rpi"]
    assert [event["event"] for event in events].count("cold") == 1
    journal = Journal(path, None)
    journal.note("rpi", {"event": "finished"})
    journal.close()
    assert read_journal(path).finished == {"rpi"}


FULL = """
import resource, signal, sys
from dataclasses import replace
from pathlib import Path
from edgecnn.bench.journal import Journal
from edgecnn.errors import JournalUnreadable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    journal = Journal(Path(sys.argv[1]), {"schema": "edgecnn.bench/2", "plan": "x" * 100})
    for number in range(99):
        journal.note("rpi", {"event": "round", "number": number})
except JournalUnreadable as error:
    print(error)
"""


@pytest.mark.parametrize(("room", "lines"), [(1000, 18), (50, 0)])
def test_a_full_disk_leaves_whole_lines_or_no_file(tmp_path: Path, room: int, lines: int) -> None:
    path = tmp_path / "a.jsonl"
    command = [sys.executable, "-c", FULL, str(path), str(room)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout == (
        f"{path} cannot be written: file too large; free some space, or name another file with -o\n"
    )
    assert ran.stderr == ""
    assert path.exists() is bool(lines)
    if lines:
        content = path.read_text()
        assert content.endswith("}\n")
        assert content.count("\n") == lines


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no results of a bench"),
        (b"[]\n", "holds no results of a bench"),
        (b'{"schema": "edgecnn.bench/1"}\n', "expected 'edgecnn.bench/2'"),
        (b"\xff\xfe\x00", "it is not text"),
        (b'{"schema": "edgecnn.bench/2"}\n{"event": "row", "device": "x"}\n', "is damaged"),
        (b'{"schema": "edgecnn.bench/2"}\n{"event": "row"}\n', "is damaged"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(JournalUnreadable, match=message):
        read_journal(path)


def test_a_run_that_got_slower_is_said_to_be(tmp_path: Path, wanted: Wanted) -> None:
    before = write(tmp_path / "before.jsonl", wanted)
    now = write(tmp_path / "now.jsonl", wanted, 1.08)
    found = changes({"rpi": now.result("rpi")}, before)
    assert [change.comparison and change.comparison.verdict for change in found] == ["slower"] * 2
    assert (
        found[0]
        .words()
        .startswith("model.tflite on tflite 2.3.0, 4 threads: SLOWER: 1.080 × the earlier latency")
    )


def test_less_than_three_per_cent_between_two_runs_is_no_difference(
    tmp_path: Path, wanted: Wanted
) -> None:
    before = write(tmp_path / "before.jsonl", wanted)
    now = write(tmp_path / "now.jsonl", wanted, 1.02)
    (change, _) = changes({"rpi": now.result("rpi")}, before)
    assert "NO DIFFERENCE beyond 3%" in change.words()


def test_a_batch_is_compared_with_the_same_batch(tmp_path: Path, wanted: Wanted) -> None:
    one = write(tmp_path / "one.jsonl", wanted)
    result = one.result("rpi")
    rows = tuple(replace(row, subject=replace(row.subject, batch=6)) for row in result.rows)
    (change, _) = changes({"rpi": replace(result, rows=rows)}, one)
    assert (
        change.words() == "model.tflite, 6 images on tflite 2.3.0, 4 threads: not measured earlier"
    )
    rows = tuple(replace(row, subject=replace(row.subject, batch=1)) for row in result.rows)
    (change, _) = changes({"rpi": replace(result, rows=rows)}, one)
    assert change.comparison is not None


def test_a_device_that_was_not_measured_then_is_named(tmp_path: Path, wanted: Wanted) -> None:
    before = write(tmp_path / "before.jsonl", wanted)
    (change,) = changes({"rpi5": before.result("rpi")}, before)
    assert change.comparison is None
    assert "has no device rpi5" in change.words()


def test_only_the_same_bench_has_the_same_fingerprint(bundle: Path, tmp_path: Path) -> None:
    one = Wanted(bundle, MeasurementPlan())
    copy = tmp_path / "copy.edge"
    copy.write_bytes(bundle.read_bytes())
    assert Wanted(copy, MeasurementPlan()).fingerprint == one.fingerprint
    assert Wanted(bundle, MeasurementPlan(), threads=(2,)).fingerprint != one.fingerprint
    assert Wanted(bundle, MeasurementPlan(rounds=8)).fingerprint != one.fingerprint


def test_two_benches_do_not_write_one_file(tmp_path: Path, wanted: Wanted) -> None:
    first = Journal(tmp_path / "a.jsonl", new_header(wanted, ["rpi"]))
    with pytest.raises(JournalBusy, match="name another file with -o"):
        Journal(tmp_path / "a.jsonl", new_header(wanted, ["rpi"]))
    first.close()
    assert read_journal(tmp_path / "a.jsonl").header["devices"] == ["rpi"]
