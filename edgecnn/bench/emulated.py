"""Proof on an emulated board: bit-exact outputs, instruction counts and memory; no latency."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from edgecnn.bench.absent import Absent
from edgecnn.bench.ready import make_ready
from edgecnn.bench.wanted import Wanted
from edgecnn.devices.board import Board, Event
from edgecnn.devices.emulated import EmulatedBoard
from edgecnn.devices.emulated.instructions import (
    Instructions,
    Mark,
    build_plugin,
    instructions_of,
    peak_memory_bytes,
)
from edgecnn.devices.emulated.userland import userland
from edgecnn.devices.local import this_machine
from edgecnn.errors import DeviceFailed, EmulationUnavailable
from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines.engine_id import EngineId
from edgecnn_runtime.measure.job import Subject
from edgecnn_runtime.measure.training_step import is_training_graph
from edgecnn_runtime.parity.answers import Answers, find_artefact, load_answers
from edgecnn_runtime.parity.difference import WHOLE, Answer, Difference, compare
from edgecnn_runtime.parity.golden import largest_steps
from edgecnn_runtime.parity.row import Parity, parity_from_json
from edgecnn_runtime.progress import Announce, Progress, no_lines, no_progress

COUNTED_RUNS = 3
# An emulated row is one busy thread; its latency is not reported.
MOST_AT_ONCE = 4
THREADS = 1


@dataclass(frozen=True)
class Likeness:
    """Agreement of the board's outputs with the same engine's on this machine.

    Attributes:
        engine: the one that ran here; None where none did.
        is_identical: every byte of every answer is the same.
        difference: from the answers here; None where there are none to compare with.
        steps: the largest difference in integer steps, where the artefact answers in integers.
        note: why nothing was compared, or that the versions differ.
    """

    engine: EngineId | None
    is_identical: bool = False
    difference: Difference | None = None
    steps: float | None = None
    note: str = ""


@dataclass(frozen=True)
class ProvedRow:
    """An artefact on an engine of an emulated board.

    Attributes:
        parity: compared with the original network; "crashed" where the process died.
        likeness: compared with this machine.
        instructions: of one inference or step; None where it was not counted.
        peak_memory_bytes: the most of the program's own memory that was resident until its first
            result: Python, engine, network and files that it maps, in pages of 4 KiB; without what
            QEMU needs for itself.
    """

    subject: Subject
    parity: Parity
    likeness: Likeness
    instructions: Instructions | None = None
    peak_memory_bytes: int | None = None


@dataclass(frozen=True)
class Proved:
    """Results of one emulated board.

    Attributes:
        words: description of the board, for a line above the table.
        uncounted: why there are neither instructions nor memory; empty where there are.
    """

    device: str
    words: str
    rows: tuple[ProvedRow, ...]
    uncounted: str = ""


def prove_on(
    board: EmulatedBoard,
    wanted: Wanted,
    progress: Progress = no_progress,
    doing: Announce = no_lines,
) -> Proved:
    """Run every requested artefact on every engine of the board that opens it.

    One thread each, whatever `wanted` asks for: counts of several would not be repeatable.

    Args:
        progress: told the share done, 0 to 1.
        doing: called with what is being done.

    Raises:
        BenchRefused: the board can have none of the engines that it needs.
        EmulationUnavailable: it cannot be emulated here; says what to install.
        BundleError: a bundle cannot be trusted.
    """
    doing("prepares Debian for arm64")
    userland()
    ready = make_ready(board, replace(wanted, threads=(THREADS,)), doing=doing)
    doing("answers and counts")
    uncounted = _why_uncounted(board)
    rows = []
    with ThreadPoolExecutor(min(MOST_AT_ONCE, os.cpu_count() or 1)) as pool:
        waiting = pool.map(
            lambda subject: _prove(board, subject, wanted.board_budget, not uncounted),
            ready.subjects,
        )
        for row in waiting:
            rows.append(row)
            progress(len(rows) / len(ready.subjects))
    rows += map(_absent, ready.absent)
    return Proved(board.name, board.words, tuple(rows), uncounted)


def _absent(row: Absent) -> ProvedRow:
    subject = row.subject
    engine, precision = EngineId(subject.engine or ""), subject.precision or ""
    parity = Parity(subject.artefact or "", engine, precision, "skipped", None, row.reason)
    return ProvedRow(subject, parity, Likeness(None, note="not run"))


def _why_uncounted(board: EmulatedBoard) -> str:
    try:
        build_plugin(board.qemu)
    except EmulationUnavailable as error:
        return str(error)
    return ""


def _prove(board: EmulatedBoard, subject: Subject, budget: Budget, is_counted: bool) -> ProvedRow:
    artefact, engine = subject.artefact or "", subject.engine or ""
    arguments = ["prove", subject.bundle, "--artefact", artefact, "--engine", engine]
    arguments += ["--threads", str(THREADS), *budget.options()]
    arguments += [] if subject.batch is None else ["--batch", str(subject.batch)]
    with tempfile.TemporaryDirectory() as folder:
        there, here = Path(folder) / "there.npz", Path(folder) / "here.npz"
        marks: Sequence[Mark] = ()
        try:
            with_answers = [*arguments, "--answers", str(there)]
            if is_counted:
                with_answers += ["--count", str(COUNTED_RUNS)]
                events, marks = board.counted(subject.environment, with_answers)
                parity = _parity(events)
            else:
                parity = _run(board, subject.environment, with_answers)
        except DeviceFailed as error:
            precision, note = subject.precision or "", str(error)
            died = Parity(artefact, EngineId(engine), precision, "crashed", None, note)
            return ProvedRow(subject, died, Likeness(None, note="crashed on the board"))
        likeness = _likeness(subject, parity, [*arguments, "--answers", str(here)], there, here)
    return ProvedRow(subject, parity, likeness, instructions_of(marks), peak_memory_bytes(marks))


def _likeness(
    subject: Subject, parity: Parity, arguments: Sequence[str], there: Path, here: Path
) -> Likeness:
    """Run the same artefact on this machine, in a process of its own, and compare outputs."""
    try:
        own = _run(this_machine(), "host", arguments)
    except DeviceFailed as error:
        return Likeness(None, note=f"crashed on this machine: {error}")
    is_step = is_step_of_learning(subject)
    if own.difference is None and own.verdict != "unproven" and not is_step:
        return Likeness(own.engine, note=f"on this machine: {own.note}")
    if parity.difference is None and parity.verdict != "unproven" and not is_step:
        return Likeness(own.engine, note="no answers from the board")
    note = ""
    if own.engine is not None and own.engine != parity.engine:
        note = f"compared with {own.engine.label} on this machine"
    if not (here.exists() and there.exists()):
        return Likeness(own.engine, note="no answers to compare")
    return compare_answers(subject, load_answers(here), load_answers(there), own.engine, note)


def is_step_of_learning(subject: Subject) -> bool:
    """Whether what a row runs is a step of its bundle's training graph."""
    with Bundle(subject.bundle) as bundle:
        return is_training_graph(bundle, subject.artefact)


def compare_answers(
    subject: Subject,
    here: Sequence[Answers],
    there: Sequence[Answers],
    engine: EngineId | None,
    note: str = "",
) -> Likeness:
    """Compare golden outputs of two machines, bit by bit and in figures.

    Of a step of learning they are the parameters after it, each compared as one group.
    """
    pairs = [
        Answer(name, one[name], other[name])
        for one, other in zip(here, there, strict=True)
        for name in one
    ]
    is_identical = all(
        pair.reference.dtype == pair.actual.dtype
        and pair.reference.tobytes() == pair.actual.tobytes()
        for pair in pairs
    )
    assert subject.artefact is not None
    with Bundle(subject.bundle) as bundle:
        if is_training_graph(bundle, subject.artefact):
            figures = compare(pairs, {pair.output: WHOLE for pair in pairs})
            return Likeness(engine, is_identical, figures, None, note)
        steps = largest_steps(pairs, find_artefact(bundle, subject.artefact))
        figures = compare(pairs, bundle.manifest.groups)
    return Likeness(engine, is_identical, figures, steps, note)


def _run(board: Board, environment: str, arguments: Sequence[str]) -> Parity:
    with board.agent(environment, arguments) as events:
        return _parity(list(events))


def _parity(events: Sequence[Event]) -> Parity:
    for event in events:
        if event["event"] == "proof":
            return parity_from_json(event["parity"])
    raise DeviceFailed("the agent ended without a proof")
