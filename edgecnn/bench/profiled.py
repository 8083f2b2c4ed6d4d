"""Profiles of a bundle's artefacts on a device: every row in a process of its own, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgecnn.bench.ready import make_ready
from edgecnn.bench.wanted import Wanted
from edgecnn.devices.board import Board
from edgecnn.errors import DeviceFailed
from edgecnn_runtime.engines.engine_id import EngineId
from edgecnn_runtime.measure.job import Subject
from edgecnn_runtime.measure.profile import Profile, profile_from_json
from edgecnn_runtime.progress import Announce, Progress, no_lines, no_progress

RUNS = 20


@dataclass(frozen=True)
class Profiled:
    """Profiles of one device.

    Attributes:
        device: its name.
        rows: every artefact on every engine, in the order of a bench.
    """

    device: str
    rows: tuple[Profile, ...]


def profile_on(
    board: Board, wanted: Wanted, progress: Progress = no_progress, doing: Announce = no_lines
) -> Profiled:
    """Profile every requested artefact on every engine of a board that opens it.

    Args:
        progress: told the share done, 0 to 1.
        doing: called with what is being done.

    Raises:
        BenchRefused: the board can have none of the engines that it needs.
        DeviceFailed: it cannot be reached.
        BundleError: a bundle cannot be trusted.
    """
    ready = make_ready(board, wanted, doing=doing)
    doing("profiles")
    rows = []
    for subject in ready.subjects:
        rows.append(_profile(board, subject, wanted))
        progress(len(rows) / len(ready.subjects))
    rows += [_without_times(one.subject, one.reason) for one in ready.absent]
    return Profiled(board.name, tuple(rows))


def _profile(board: Board, subject: Subject, wanted: Wanted) -> Profile:
    budget = wanted.budget if board.name == "host" else wanted.board_budget
    words = ["profile", subject.bundle, "--artefact", str(subject.artefact)]
    words += ["--engine", str(subject.engine), "--threads", str(subject.threads or 1)]
    words += ["--runs", str(RUNS), *budget.options()]
    try:
        with board.agent(subject.environment, words) as events:
            return _read(list(events))
    except DeviceFailed as error:
        return _without_times(subject, str(error))


def _read(events: Sequence[dict[str, object]]) -> Profile:
    for event in events:
        if event.pop("event") == "profile":
            return profile_from_json(event)
    raise DeviceFailed("the agent ended without a profile")


def _without_times(subject: Subject, reason: str) -> Profile:
    engine = EngineId(subject.engine or "")
    return Profile(subject.artefact or "", engine, subject.threads or 1, 0, None, (), reason)
