"""Run of a bench over all boards: its journal, resuming it, and its progress."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.bench.journal import Journal, Record, new_header, read_journal
from edgecnn.bench.run import Listener, run_boards
from edgecnn.bench.wanted import Wanted
from edgecnn.devices.board import Board
from edgecnn.errors import BenchRefused, DeviceFailed, JournalBusy
from edgecnn.fetch import cache_folder
from edgecnn_runtime.errors import EdgeCNNError
from edgecnn_runtime.measure.results import BenchResult


@dataclass(frozen=True)
class Measured:
    """Result of a bench: results and failures by device.

    Attributes:
        results: by device, of those that finished.
        failed: by device, the message of those that did not, which names the device.
    """

    results: dict[str, BenchResult]
    failed: dict[str, str]


def measure_on(
    boards: Sequence[Board],
    wanted: Wanted,
    output: Path | None,
    *,
    is_resumed: bool,
    quiet: bool,
) -> Measured:
    """Measure on every board at once, each event kept as it comes.

    Args:
        output: file of the raw samples; None keeps them where `is_resumed` finds them.

    Raises:
        BenchRefused: there is nothing to resume.
        JournalUnreadable: the file of samples cannot be read or written.
    """
    from edgecnn.console import note
    from edgecnn.progress_bar import bars

    names = [board.name for board in boards]
    path = output or _default_path(wanted, names)
    earlier = _earlier(path, wanted, names) if is_resumed else None
    header = None if earlier else new_header(wanted, names)
    try:
        journal = Journal(path, header)
    except JournalBusy:
        if output is not None or is_resumed:
            raise
        # The same bench twice at once, such as in two terminals: the second keeps its own.
        path = path.with_stem(f"{path.stem}-{os.getpid()}")
        journal = Journal(path, header)
    try:
        with bars(names, quiet=quiet) as shown:
            listeners = {
                name: Listener(shown.progress[name], shown.say, shown.doing[name]) for name in names
            }
            errors = run_boards(boards, wanted, journal, earlier, listeners)
    except KeyboardInterrupt:
        if any(_has_rounds(read_journal(path), name) for name in names):
            note("what was measured is kept; --resume continues it", quiet=quiet)
        raise
    finally:
        journal.close()
    record = read_journal(path)
    has_rounds = any(_has_rounds(record, name) for name in names)
    if (errors and earlier is None and not has_rounds) or (output is None and not errors):
        path.unlink()  # of no use: nothing was measured, or it was kept for --resume alone
    return Measured(
        {name: record.result(name) for name in names if name in record.finished},
        {name: _message(record, name, error) for name, error in errors.items()},
    )


def _default_path(wanted: Wanted, names: Sequence[str]) -> Path:
    devices = hashlib.sha256("\n".join(names).encode()).hexdigest()[:8]
    return cache_folder() / "bench" / f"{wanted.fingerprint}-{devices}.jsonl"


def _earlier(path: Path, wanted: Wanted, names: Sequence[str]) -> Record:
    """The interrupted run.

    Raises:
        BenchRefused: there is none, or it is of another bench.
    """
    if not path.exists():
        raise BenchRefused(
            f"nothing to resume: {path} is not there; the bundle, the devices and the options must "
            "be those of the run that was interrupted"
        )
    record = read_journal(path)
    if record.header["fingerprint"] != wanted.fingerprint or record.header["devices"] != names:
        raise BenchRefused(
            f"{path} is of another bench: of {', '.join(record.header['bundles'])} on "
            f"{', '.join(record.header['devices'])}; take the same bundle, devices and options"
        )
    return record


def _has_rounds(record: Record, name: str) -> bool:
    return any(event["event"] == "round" for event in record.events.get(name, ()))


def _message(record: Record, name: str, error: EdgeCNNError) -> str:
    is_named = isinstance(error, DeviceFailed | BenchRefused) and error.device == name
    message = str(error) if is_named else f"{name}: {error}"
    if name in record.finished or not _has_rounds(record, name):
        return message
    return f"{message}; what was measured is kept, the same command with --resume continues"
