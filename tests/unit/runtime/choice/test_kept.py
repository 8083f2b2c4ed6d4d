"""The cache of measurements: what is written is read, and whatever else lies there is ignored."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecnn_runtime.choice.kept import (
    MOST_BYTES,
    keep_latencies,
    kept_latencies,
    measured_folder,
)
from edgecnn_runtime.choice.latencies import KnownLatency
from edgecnn_runtime.host.processor import Processor

DIGEST = "ab" * 32
ROW = KnownLatency(
    DIGEST, "native", "edgecnn-native 0.2.0", 1, "equal", 1.8, "EPYC", ("avx2",), "2026-11-30"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGECNN_MEASURED", str(tmp_path / "measured"))
    return tmp_path / "measured"


def test_rows_are_kept_and_replaced_by_later_ones_of_the_same(folder: Path) -> None:
    assert keep_latencies([ROW, ROW._replace(threads=2)])
    assert keep_latencies([ROW._replace(median_ms=1.7, on="2026-12-01")])
    assert {(row.threads, row.median_ms) for row in kept_latencies([DIGEST])} == {
        (1, 1.7),
        (2, 1.8),
    }
    assert kept_latencies(["cd" * 32]) == ()


def test_the_rows_of_an_artefact_are_few(folder: Path) -> None:
    assert keep_latencies(ROW._replace(package=f"a {index}") for index in range(300))
    assert len(kept_latencies([DIGEST])) == 100
    assert (folder / f"{DIGEST[:32]}.json").stat().st_size < MOST_BYTES


def _text(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


def _rows(**fields: object) -> Callable[[Path], object]:
    row = ROW.to_json() | fields
    return _text(json.dumps({"schema": "edgecnn.measured/1", "rows": [row]}))


@pytest.mark.parametrize(
    "spoil",
    [
        _text(""),
        _text("{"),
        _text("[" * 20_000),
        _text("[]"),
        _text('{"schema": "another/1", "rows": []}'),
        _text('{"schema": "edgecnn.measured/1", "rows": {"a": 1}}'),
        _text('{"schema": "edgecnn.measured/1", "rows": [null, 3, "x", {}]}'),
        lambda path: path.write_bytes(b"\xff\xfe\x00"),
        lambda path: os.truncate(path, MOST_BYTES + 1),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
        _rows(median_ms=float("nan")),
        _rows(median_ms=-1),
        _rows(median_ms=True),
        _rows(median_ms=None),
        _rows(verdict="fine"),
        _rows(threads=0),
        _rows(threads="1"),
        _rows(features="avx2"),
        _rows(on="yesterday"),
        _rows(engine="x" * 1000),
        _rows(sha256="cd" * 32),
        _rows(more=1),
    ],
)
def test_what_is_no_measurement_is_ignored(folder: Path, spoil: Callable[[Path], object]) -> None:
    keep_latencies([ROW])
    assert kept_latencies([DIGEST]) == (ROW,)
    spoil(folder / f"{DIGEST[:32]}.json")
    assert kept_latencies([DIGEST]) == ()


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path, folder: Path) -> None:
    folder.write_text("a file, where the folder should be")
    assert not keep_latencies([ROW])
    assert kept_latencies([DIGEST]) == ()


def test_without_a_home_folder_there_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EDGECNN_MEASURED", "EDGECNN_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", _nobody)
    assert measured_folder() is None
    assert kept_latencies([DIGEST]) == ()
    assert not keep_latencies([ROW])


def _nobody(number: int) -> object:
    raise KeyError(number)


def test_the_folder_is_the_users_cache_or_the_one_that_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("EDGECNN_MEASURED")
    monkeypatch.delenv("EDGECNN_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert measured_folder() == Path("/xdg/edgecnn/measured")
    monkeypatch.setenv("EDGECNN_CACHE", "/own")
    assert measured_folder() == Path("/own/measured")
    monkeypatch.setenv("EDGECNN_MEASURED", "")
    assert measured_folder() is None


def test_a_row_is_of_the_same_processor_and_no_more_threads_than_cores() -> None:
    same = Processor("EPYC", "x86_64", ("avx2",))
    assert ROW.is_of(same)
    assert not ROW.is_of(same._replace(name="EPYC 2"))
    assert not ROW.is_of(same._replace(features=("avx2", "avx512_vnni")))
    assert not ROW._replace(threads=1024).is_of(same)
