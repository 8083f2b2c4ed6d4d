"""A bench on one board, and on several at once."""

from __future__ import annotations

import getpass
import platform
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from threading import Event
from typing import Any

from edgecnn.bench.journal import Journal, Record
from edgecnn.bench.ready import Ready, make_ready
from edgecnn.bench.wanted import Wanted
from edgecnn.devices.board import Board
from edgecnn.devices.local import LocalBoard
from edgecnn.errors import BenchRefused
from edgecnn_runtime.errors import EdgeCNNError
from edgecnn_runtime.measure.job import MeasurementJob, MeasurementPlan, Subject
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
