"""Results as JSON lines with raw samples, written while the bench runs.

The first line is a header, ``{"schema": "edgecnn.bench/2", …}``; each other one is an event of the
agent with the ``device`` that sent it, or ``{"event": "job", "device": …, "subjects": …}`` before
and ``{"event": "finished", "device": …}`` after them. A line that a crash cut short is left out.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgecnn.bench.wanted import Wanted
from edgecnn.errors import JournalBusy, JournalUnreadable
from edgecnn_runtime import __version__
from edgecnn_runtime.file_kind import other_than_file
from edgecnn_runtime.measure.job import Subject
from edgecnn_runtime.measure.results import BenchResult, assemble

SCHEMA = "edgecnn.bench/2"
NOT_KEPT = frozenset({"progress", "waiting"})


@dataclass(frozen=True)
class Record:
    """Content of a journal: header, jobs and events.

    Attributes:
        subjects, events: by device, in the order in which they were written.
        finished: devices that have nothing left to do.
    """

    path: Path
    header: dict[str, Any]
    subjects: dict[str, tuple[Subject, ...]]
    events: dict[str, list[dict[str, Any]]]
    finished: frozenset[str]

    def result(self, device: str) -> BenchResult:
        """The table of one device, finished or not."""
        is_sustained = self.header["plan"]["sustained_s"] is not None
        return assemble(self.subjects[device], self.events[device], is_sustained=is_sustained)


class Journal:
    """A file of results that grows; every line is on disk before the next event is read."""

    def __init__(self, path: Path, header: Mapping[str, Any] | None) -> None:
        """Open it.

        Args:
            header: begins the file anew; None goes on with what is there.

        Raises:
            JournalUnreadable: the file cannot be written.
            JournalBusy: another bench writes it.
        """
        self.path = path
        self._lock = threading.Lock()
        kind = other_than_file(path)
        if kind is not None:
            raise JournalUnreadable(f"{path} cannot be written: it is {kind}; name a file with -o")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if header is None:
                _end_last_line(path)
            # Without a buffer, which would keep a line that a full disk does not take.
            self._file = path.open("ab", buffering=0)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if header:
                self._file.truncate(0)
        except BlockingIOError as error:
            self._file.close()
            raise JournalBusy(f"another bench writes {path}; name another file with -o") from error
        except OSError as error:
            raise _unwritable(path, error) from error
        if header:
            self._write(header)

    def note(self, device: str, event: Mapping[str, Any]) -> None:
        """Append an event. Several devices may write at the same time.

        Raises:
            JournalUnreadable: the disk is full, or gone.
        """
        if event["event"] not in NOT_KEPT:
            self._write({"event": event["event"], "device": device} | dict(event))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        rest = f"{json.dumps(line)}\n".encode()
        with self._lock:
            end = os.fstat(self._file.fileno()).st_size
            try:
                while rest:
                    rest = rest[self._file.write(rest) :]
            except OSError as error:
                with contextlib.suppress(OSError):
                    self._file.truncate(end)
                    if not end:
                        self.path.unlink()
                raise _unwritable(self.path, error) from error


def _unwritable(path: Path, error: OSError) -> JournalUnreadable:
    reason = (error.strerror or str(error)).lower()
    return JournalUnreadable(
        f"{path} cannot be written: {reason}; free some space, or name another file with -o"
    )


def new_header(wanted: Wanted, devices: Iterable[str]) -> dict[str, Any]:
    """The first line of a journal."""
    return {
        "schema": SCHEMA,
        "edgecnn": __version__,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "bundles": [str(path) for path in wanted.bundles],
        "fingerprint": wanted.fingerprint,
        "devices": list(devices),
        "plan": asdict(wanted.plan),
    }


def read_journal(path: Path) -> Record:
    """Read a journal.

    Raises:
        JournalUnreadable: the file is missing, or is not a journal.
    """
    kind = other_than_file(path)
    if kind is not None:
        raise JournalUnreadable(f"{path} cannot be read: it is {kind}, expected results of a bench")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise JournalUnreadable(f"{path} cannot be read: {reason}") from error
    values = [value for line in lines if isinstance(value := _json(line), dict)]
    header = values[0] if values else {}
    if header.get("schema") != SCHEMA:
        raise JournalUnreadable(
            f"{path} holds no results of a bench: its schema is {header.get('schema')!r}, expected "
            f"{SCHEMA!r}; edgecnn bench -o FILE writes them"
        )
    subjects: dict[str, tuple[Subject, ...]] = {}
    events: dict[str, list[dict[str, Any]]] = {}
    finished = set()
    try:
        for value in values[1:]:
            device = value.pop("device")
            if value["event"] == "job":
                subjects[device] = tuple(Subject(**one) for one in value["subjects"])
                events.setdefault(device, [])
            elif value["event"] == "finished":
                finished.add(device)
            else:
                events[device].append(value)
    except (KeyError, TypeError) as error:
        raise JournalUnreadable(f"{path} is damaged: {type(error).__name__} {error}") from error
    return Record(path, header, subjects, events, frozenset(finished))


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _end_last_line(path: Path) -> None:
    """End a line that a crash cut short, so that the next one is a line of its own."""
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\n")
