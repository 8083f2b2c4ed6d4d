"""Preparation of a board for a bench: engines, bundles, the rows that it can run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgecnn.bench.absent import (
    Absent,
    EngineReports,
    absent_rows,
    left_out_of_pages,
    why_not_brought,
)
from edgecnn.bench.wanted import Wanted, packages_for, subjects_of
from edgecnn.devices.board import OWN_PACKAGES, Board, host_query
from edgecnn.errors import BenchRefused, DeviceFailed
from edgecnn_runtime.measure.job import Environment, Subject
from edgecnn_runtime.progress import Announce, no_lines


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
