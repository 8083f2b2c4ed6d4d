"""Driver of the static agent: the commands and events of `edgecnn_runtime.agent` for a bench."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from edgecnn.devices.board import Event
from edgecnn.devices.static_agent.machine import host_and_state
from edgecnn.devices.static_agent.plans import Plan, plan_of
from edgecnn.devices.static_agent.program import ENGINE, PACKAGE
from edgecnn.errors import DeviceFailed
from edgecnn_runtime.agent import COMMANDS
from edgecnn_runtime.agent_parser import agent_parser
from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines.engine_id import EngineId
from edgecnn_runtime.engines.table import ENGINES
from edgecnn_runtime.errors import EngineError
from edgecnn_runtime.host.process import signal_name
from edgecnn_runtime.measure.job import MeasurementJob, MeasurementPlan, Subject
from edgecnn_runtime.measure.profile import WARMUPS, Profile
from edgecnn_runtime.measure.stages import Stage, median_stages
from edgecnn_runtime.parity.verdict import ANSWERS_AS_MADE

NO_LIMITS = ("0", "0")
# Of a process that only opens a plan; a slow board takes seconds for a large one.
OPENING = Budget(step_seconds=150)

Start = Callable[[Sequence[str]], AbstractContextManager[Iterator[Event]]]
"""Runs the program with these words on the board; its events, as `Board.agent` has them."""
Put = Callable[[bytes, str], None]
"""Writes a file on the board, at a path."""


@dataclass(frozen=True)
class Placed:
    """A plan on the board: its path there, that of its inputs, and what is in both."""

    path: str
    inputs: str
    plan: Plan


class StaticAgent:
    """The static agent on one board, whatever transport leads there."""

    def __init__(self, reason: str, start: Start, put: Put) -> None:
        """Nothing is started yet.

        Args:
            reason: why no other engine runs there, in words.
        """
        self.reason = reason
        self._start = start
        self._put = put
        self._placed: dict[tuple[str, str | None], Placed] = {}
        self._version = ""

    def send(self, bundle: Path, folder: str) -> str:
        """Place the plans of a bundle, and their golden inputs, in a folder of the board.

        Returns:
            What a job's subjects call the bundle; no file of that name is there.
        """
        name = f"{folder}/{bundle.name}"
        with Bundle(bundle) as opened:
            artefacts = opened.manifest.artefacts
            plans = [one for one in artefacts if one.format in ENGINES[ENGINE].formats]
            contents = [opened.read_artefact(one).model for one in plans]
        for number, (artefact, content) in enumerate(zip(plans, contents, strict=True)):
            path, inputs = f"{folder}/{number}.plan", f"{folder}/{number}.inputs"
            self._put(content, path)
            described = self._ask(["describe", path], "plan", OPENING)
            plan = plan_of(bundle, artefact, described, content)
            self._put(plan.input_bytes, inputs)
            self._placed[name, artefact.path] = Placed(path, inputs, plan)
        return name

    def events(
        self, arguments: Sequence[str], job: Mapping[str, Any] | None
    ) -> AbstractContextManager[Iterator[Event]]:
        """As `Board.agent`, of the commands ``host``, ``bench`` and ``profile``."""
        if list(arguments) == ["host"]:
            return contextlib.closing(self._host())
        if list(arguments) == ["bench"] and job is not None:
            return contextlib.closing(self._bench(MeasurementJob.from_json(job)))
        if arguments[:1] == ["profile"]:
            return contextlib.closing(self._profile(arguments))
        raise DeviceFailed(f"the static agent has no command {' '.join(arguments)}")

    def _ask(self, words: Sequence[str], event: str, budget: Budget | None = None) -> Event:
        limits = NO_LIMITS if budget is None else _limits(budget)
        with self._start([*limits, *words]) as events:
            for one in events:
                if one["event"] == event:
                    return one
        raise DeviceFailed(f"the static agent did not answer {words[0]}")

    def _host(self) -> Generator[Event, None, None]:
        """The ``host`` event: the board, and native as its only engine."""
        machine = self._ask(["machine"], "machine")
        self._version = machine["version"]
        others = [name for name, one in ENGINES.items() if name != ENGINE and not one.is_double]
        yield {
            "event": "host",
            **host_and_state(machine["machine"]),
            "engines": dict.fromkeys(others) | {ENGINE: self._version},
            "ids": {ENGINE: asdict(EngineId(ENGINE, self._version, PACKAGE))},
            "missing": {name: {"reason": "is not there", "mend": self.reason} for name in others},
            "formats": {ENGINE: sorted(ENGINES[ENGINE].formats)},
            "absent": {name: f"{name} needs Python: {self.reason}" for name in others},
        }

    def _bench(self, job: MeasurementJob) -> Generator[Event, None, None]:
        """Prove every row, then time those that answer as made."""
        timed = []
        for row, subject in enumerate(job.subjects):
            fields = self._proved(subject, job.budget)
            yield {"event": "row", "row": row, **fields}
            if fields["verdict"] in {*ANSWERS_AS_MADE, "unproven"}:
                timed.append(row)
            yield {"event": "progress", "done": 0.2 * (row + 1) / len(job.subjects)}
        if timed:
            with self._start([*_limits(job.budget), "bench", *self._words(job, timed)]) as events:
                for event in events:
                    yield _translated(event, timed)
        yield {"event": "progress", "done": 1.0}

    def _profile(self, arguments: Sequence[str]) -> Generator[Event, None, None]:
        """The ``profile`` event of one plan."""
        options = agent_parser(None, COMMANDS).parse_args(arguments)
        placed = self._placed[options.bundle, options.artefact]
        row = _row_words(placed, Subject(options.bundle, options.artefact))
        limits = _limits(Budget(options.max_memory, options.max_seconds))
        words = [*limits, "profile", *row, str(WARMUPS + options.runs)]
        with self._start(words) as events:
            timed = [one for one in events if one["event"] == "profiled"][-options.runs :]
        stages = median_stages([[Stage(**layer) for layer in one["layers"]] for one in timed])
        run_ms = median(one["ms"] for one in timed)
        engine = EngineId(ENGINE, self._version, PACKAGE)
        profile = Profile(options.artefact, engine, 1, options.runs, run_ms, stages)
        yield {"event": "profile", **profile.to_json()}

    def _proved(self, subject: Subject, budget: Budget) -> dict[str, Any]:
        """Fields of a row's event; a refusal or crash is its verdict."""
        placed = self._placed[subject.bundle, subject.artefact]
        words = [*_limits(budget), "prove", *_row_words(placed, subject), "0"]
        try:
            with self._start(words) as events:
                chunks = [event for event in events if event["event"] == "output"]
            return placed.plan.judge(chunks, self._version)
        except (DeviceFailed, EngineError) as error:
            refused = str(error).startswith("native refuses")
            return {"verdict": "refused" if refused else "crashed", "note": str(error)}

    def _words(self, job: MeasurementJob, rows: Sequence[int]) -> list[str]:
        plan: MeasurementPlan = job.plan
        wait = -1 if job.wait_s is None else job.wait_s
        sustained = -1 if plan.sustained_s is None else plan.sustained_s
        words = [json.dumps(job.who), wait, plan.warmup_s, plan.rounds, plan.block_ms, plan.max_s]
        words += [sustained, job.done_rounds]
        for row in rows:
            subject = job.subjects[row]
            placed = self._placed[subject.bundle, subject.artefact]
            done = job.done_cold[row] if job.done_cold else 0
            words += [*_row_words(placed, subject), plan.cold_starts, done]
        return list(map(str, words))


def _limits(budget: Budget) -> list[str]:
    """The first words of the program: bytes of a process that opens a plan, seconds of a step."""
    return [str(budget.memory_bytes), str(math.ceil(budget.step_seconds))]


def _row_words(placed: Placed, subject: Subject) -> list[str]:
    return [placed.path, placed.inputs, placed.plan.batches, str(subject.threads or 1)]


def _translated(event: Event, rows: Sequence[int]) -> Event:
    """An event of the program as one of `edgecnn_runtime.measure.benchmark`."""
    event = dict(event)
    if "row" in event:
        event["row"] = rows[event["row"]]
    match event["event"]:
        case "before" | "after":
            event |= host_and_state(event.pop("machine"))
        case "round":
            machine = event.pop("machine", None)
            event["state"] = None if machine is None else host_and_state(machine)["state"]
            for one in event["blocks"]:
                one["row"] = rows[one["row"]]
        case "died":
            number, code = event.pop("signal", None), event.pop("exit_code", None)
            ended = f"exit code {code}" if number is None else f"died of {signal_name(number)}"
            event["note"] = ended
        case "waiting":
            event["holder"] = _holder(event.pop("holder_json"))
        case "progress":
            event["done"] = 0.2 + 0.8 * event["done"]
    return event


def _holder(text: str) -> dict[str, Any]:
    try:
        holder = json.loads(text)
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}
