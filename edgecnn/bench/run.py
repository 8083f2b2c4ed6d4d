"""A bench on one board, and on several at once."""

from __future__ import annotations

import contextlib
import getpass
import platform
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from threading import Event
from typing import Any

from edgecnn.bench.absent import (
    Absent,
    EngineReports,
    absent_rows,
    left_out_of_pages,
    why_not_brought,
)
from edgecnn.bench.journal import Journal, Record
from edgecnn.bench.wanted import Wanted, packages_for, subjects_of
from edgecnn.devices.board import OWN_PACKAGES, Board, host_query
from edgecnn.devices.local import LocalBoard
from edgecnn.errors import BenchRefused, DeviceFailed
from edgecnn_runtime.errors import EdgeCNNError
from edgecnn_runtime.measure.job import Environment, MeasurementJob, MeasurementPlan, Subject
from edgecnn_runtime.progress import Announce, Progress, no_lines

# Event of the agent → what the board does then, beside its bar.
DOING = {"row": "checks answers", "warm-up": "warms up", "round": "measures", "cold": "starts cold"}


@dataclass(frozen=True)
class Listener:
    """Listener to a board's progress: the share done, 0 to 1, a message, and what is being done."""

    progress: Progress
    say: Announce
    doing: Announce = no_lines


def run_board(
    board: Board,
    wanted: Wanted,
    journal: Journal,
    earlier: Record | None,
    listener: Listener,
    is_cancelled: Event | None = None,
) -> None:
    """Measure on one board, everything noted in `journal`; what `earlier` has is not done again.

    Raises:
        BenchRefused: the bundle or the board does not allow it.
        DeviceFailed: the board cannot be reached, refuses or fails.
        BundleError: a bundle cannot be trusted.
    """
    if earlier is not None and board.name in earlier.finished:
        listener.say(f"{board.name}: finished before, not measured again")
        return
    ready = make_ready(board, wanted, listener.say, listener.doing)
    job = _job(board, wanted, ready)
    rows = (*job.subjects, *(one.subject for one in ready.absent))
    if earlier is not None and board.name in earlier.subjects:
        job = _resumed(job, rows, earlier, board.name, listener)
    else:
        journal.note(board.name, {"event": "job", "subjects": [asdict(row) for row in rows]})
    for index, one in enumerate(ready.absent, len(job.subjects)):
        refused = {"event": "row", "row": index, "verdict": "refused", "note": one.reason}
        journal.note(board.name, refused)
    with board.agent(next(iter(ready.environments)), ["bench"], job=job.to_json()) as events:
        for event in events:
            if is_cancelled is not None and is_cancelled.is_set():
                return
            journal.note(board.name, event)
            if event["event"] in DOING:
                listener.doing(DOING[event["event"]])
            if event["event"] == "progress":
                listener.progress(event["done"])
            elif event["event"] == "waiting":
                listener.say(f"{board.name}: waits for {_holder(event['holder'])}")
    journal.note(board.name, {"event": "finished"})


def run_boards(
    boards: Sequence[Board],
    wanted: Wanted,
    journal: Journal,
    earlier: Record | None,
    listeners: Mapping[str, Listener],
) -> dict[str, EdgeCNNError]:
    """Measure on all boards at the same time. Returns the failures by the board's name."""
    if len(boards) == 1:
        # In the main thread, which receives Ctrl-C.
        (board,) = boards
        try:
            run_board(board, wanted, journal, earlier, listeners[board.name])
        except EdgeCNNError as error:
            return {board.name: error}
        return {}
    is_cancelled = Event()
    with ThreadPoolExecutor(len(boards)) as pool:
        runs = {
            board.name: pool.submit(
                run_board, board, wanted, journal, earlier, listeners[board.name], is_cancelled
            )
            for board in boards
        }
        try:
            failed = {name: run.exception() for name, run in runs.items()}
        except BaseException:  # Ctrl-C, which only the main thread receives
            is_cancelled.set()
            for board in boards:
                board.close()
            raise
    errors = {}
    for name, failure in failed.items():
        if isinstance(failure, EdgeCNNError):
            errors[name] = failure
        elif failure is not None:
            raise failure
    return errors


@dataclass(frozen=True)
class Ready:
    """A prepared board: its environments, the rows to run and the rows without an engine.

    Attributes:
        subjects: the rows that it can run.
        absent: rows of plug-in engines that it lacks.
    """

    environments: Mapping[str, Environment]
    subjects: tuple[Subject, ...]
    absent: tuple[Absent, ...]


def make_ready(
    board: Board, wanted: Wanted, say: Announce = no_lines, doing: Announce = no_lines
) -> Ready:
    """Bring engines and bundles to a board.

    Raises:
        BenchRefused: it can have none of the engines that are needed, or the rows cannot be.
        DeviceFailed: it cannot be reached, refuses or fails.
    """
    doing("brings the engines there")
    environments = board.prepare(packages_for(wanted))
    if not environments:
        refused = {**board.offer().refused, **why_not_brought(wanted, board.name)}
        reasons = "; ".join(f"{name}: {why}" for name, why in refused.items())
        raise BenchRefused(
            f"{board.name} can have none of the engines that it needs: {reasons}",
            device=board.name,
        )
    if board.sent_bytes:
        say(f"{board.name}: sent {board.sent_bytes / 1e6:.1f} MB of agent and engines")
    doing("sends the bundles")
    with contextlib.ExitStack() as stack:
        # They answer while the bundles are on their way.
        answers = {name: stack.enter_context(host_query(board, name)) for name in environments}
        places = board.send(wanted.bundles)
        reports = _engine_reports(environments, answers)
    absent = absent_rows(wanted, places, reports, board.name)
    for line in left_out_of_pages(wanted, reports):
        say(f"{board.name}: {line}")
    reasons_of = {str(one.subject.engine): one.reason for one in absent}
    try:
        subjects = subjects_of(wanted, places, reports.hosts, reasons_of)
    except BenchRefused as error:
        raise BenchRefused(f"{error}, on {board.name}", device=board.name) from None
    return Ready(environments, subjects, absent)


def _engine_reports(
    environments: Mapping[str, Environment], answers: Mapping[str, Callable[[], dict[str, Any]]]
) -> EngineReports:
    """Collect the environments' reports; a failure of `OWN_PACKAGES` is kept, others are raised."""
    hosts: dict[str, dict[str, Any]] = {}
    failures: dict[str, str] = {}
    for name, answer in answers.items():
        try:
            hosts[name] = answer()
        except DeviceFailed as error:
            if name != OWN_PACKAGES:
                raise
            failures[name] = str(error)
    return EngineReports(environments, hosts, failures)


def _job(board: Board, wanted: Wanted, ready: Ready) -> MeasurementJob:
    who = f"{getpass.getuser()}@{platform.node()}"
    return MeasurementJob(
        ready.subjects,
        wanted.plan,
        ready.environments,
        who=who,
        wait_s=wanted.wait_s,
        budget=wanted.budget if isinstance(board, LocalBoard) else wanted.board_budget,
    )


def _resumed(
    job: MeasurementJob, rows: Sequence[Subject], earlier: Record, device: str, listener: Listener
) -> MeasurementJob:
    """The job without the rounds and cold starts that are finished.

    Args:
        rows: those of the job, and those that cannot be run.

    Raises:
        BenchRefused: the board would now measure other rows.
    """
    before, now = (
        [_likeness(s) for s in subjects] for subjects in (earlier.subjects[device], rows)
    )
    if before != now:
        raise BenchRefused(
            f"{device} would measure other rows than {earlier.path} has ({_words(now)}; there "
            f"{_words(before)}); start again without --resume",
            device=device,
        )
    events = earlier.events[device]
    rounds = [event for event in events if event["event"] == "round"]
    cold = [event["row"] for event in events if event["event"] == "cold"]
    spent_s = earlier.result(device).moments[-1].at_s if rounds else 0.0
    done = rounds[-1]["number"] + 1 if rounds else 0
    listener.say(f"{device}: resumes after {done} rounds and {len(cold)} cold starts")
    return replace(
        job,
        plan=_remaining(job.plan, spent_s),
        done_rounds=done,
        done_cold=tuple(cold.count(index) for index in range(len(job.subjects))),
    )


def _likeness(subject: Subject) -> Subject:
    # A run folder on a board has another name each time.
    return replace(subject, bundle=subject.bundle.rpartition("/")[2])


def _words(subjects: Sequence[Subject]) -> str:
    return ", ".join(f"{s.artefact} on {s.engine} × {s.threads}" for s in subjects)


def _remaining(plan: MeasurementPlan, spent_s: float) -> MeasurementPlan:
    if plan.sustained_s is None:
        return plan
    return replace(plan, sustained_s=max(0.0, plan.sustained_s - spent_s))


def _holder(holder: Mapping[str, Any]) -> str:
    who, since = holder.get("who", "another bench"), holder.get("since")
    return f"{who}, which has used the machine since {since}" if since else str(who)
