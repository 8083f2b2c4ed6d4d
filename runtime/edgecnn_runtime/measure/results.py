"""Results of a bench, assembled from the agent's events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from edgecnn_runtime.engines.engine_id import EngineId, engine_from_fields
from edgecnn_runtime.host.facts import CpuTimes, Host, HostState
from edgecnn_runtime.host.process import ColdStart
from edgecnn_runtime.measure.disturbances import disturbances, drift_reasons
from edgecnn_runtime.measure.job import Subject
from edgecnn_runtime.measure.statistics import LEAST_ROUNDS, LatencyComparison, compare
from edgecnn_runtime.measure.timing import Latency, summarise
from edgecnn_runtime.parity.difference import Difference
from edgecnn_runtime.parity.row import difference_from_json


@dataclass(frozen=True)
class ResultRow:
    """One artefact on one engine.

    Attributes:
        verdict: of its golden examples: equal, differs, unproven, refused, crashed.
        note: the limit that the verdict rests on, or the error.
        engine: None where no golden answers were verified.
        rounds: round number of each block of `latency`.
        energy_j: joules of the whole machine per run, where it has counters.
        comparison: with the row that `Subject.against` names, where both were timed.
        is_learning: what is timed is a step of learning.
    """

    subject: Subject
    verdict: str
    note: str
    name: str = ""
    artefact: str = ""
    format: str = ""
    precision: str = ""
    engine: EngineId | None = None
    difference: Difference | None = None
    latency: Latency | None = None
    rounds: tuple[int, ...] = ()
    cold: ColdStart | None = None
    energy_j: float | None = None
    comparison: LatencyComparison | None = None
    is_learning: bool = False


@dataclass(frozen=True)
class Moment:
    """End of a round, in seconds since the first round began, and the machine's state then."""

    number: int
    at_s: float
    state: HostState | None


@dataclass(frozen=True)
class BenchResult:
    """All rows of one machine, in the order of the job.

    Attributes:
        tainted: disturbances that make the times unreliable; empty if there were none.
        host, before, after: None where no row was timed.
    """

    rows: tuple[ResultRow, ...]
    tainted: tuple[str, ...]
    host: Host | None
    before: HostState | None
    after: HostState | None
    moments: tuple[Moment, ...]


@dataclass
class _RowEvents:
    """Events of one row, collected so far. `parity` has the fields of its event ``row``."""

    parity: dict[str, Any] = field(default_factory=dict)
    warmup_runs: int = 0
    blocks: list[list[float]] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    energy_j: list[float | None] = field(default_factory=list)
    cold_ms: list[float] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)
    bases: list[int] = field(default_factory=list)
    died: str = ""


def assemble(
    subjects: Sequence[Subject],
    events: Iterable[Mapping[str, Any]],
    *,
    is_sustained: bool = False,
) -> BenchResult:
    """Assemble a result from the events of one run, or of a run and those that resumed it.

    Args:
        is_sustained: the run measures drift, so its drift does not taint it.
    """
    rows = [_RowEvents() for _ in subjects]
    ends: dict[str, list[Mapping[str, Any]]] = {"before": [], "after": []}
    moments: list[Moment] = []
    began_s = 0.0
    for event in events:
        match event["event"]:
            case "row":
                rows[event["row"]].parity = {
                    key: value for key, value in event.items() if key not in {"event", "row"}
                }
                rows[event["row"]].died = ""
            case "warm-up":
                rows[event["row"]].warmup_runs += event["runs"]
            case "before" | "after":
                ends[event["event"]].append(event)
                began_s = moments[-1].at_s if moments else 0.0
            case "round":
                state = event["state"] and state_from_json(event["state"])
                moments.append(Moment(event["number"], began_s + event["at_s"], state))
                for block in event["blocks"]:
                    _add(rows[block["row"]], event["number"], block)
            case "cold":
                rows[event["row"]].cold_ms.append(event["sample_ms"])
                rows[event["row"]].peaks.append(event["peak_memory_bytes"])
                if (base := event.get("base_memory_bytes")) is not None:
                    rows[event["row"]].bases.append(base)
            case "died":
                rows[event["row"]].died = event["note"]
    return _conclude(subjects, rows, ends, tuple(moments), is_sustained)


def _add(row: _RowEvents, number: int, block: Mapping[str, Any]) -> None:
    row.blocks.append(block["samples_ms"])
    row.rounds.append(number)
    energy = block["energy_j"]
    row.energy_j.append(None if energy is None else energy / len(block["samples_ms"]))


def _conclude(
    subjects: Sequence[Subject],
    collected: Sequence[_RowEvents],
    ends: Mapping[str, Sequence[Mapping[str, Any]]],
    moments: tuple[Moment, ...],
    is_sustained: bool,
) -> BenchResult:
    rows = [_row(subject, row) for subject, row in zip(subjects, collected, strict=True)]
    befores, afters = (
        [state_from_json(event["state"]) for event in ends[name]] for name in ("before", "after")
    )
    during = [moment.state for moment in moments if moment.state is not None]
    tainted: list[str] = []
    # A run that was resumed has several parts; one that was interrupted has no end to its last.
    for before, after in zip(befores, afters, strict=False):
        tainted += disturbances(before, after, during)
    if not is_sustained:
        tainted += drift_reasons(
            [(_name_of(row), row.latency.blocks_ms) for row in rows if row.latency]
        )
    tainted = list(dict.fromkeys(tainted))
    return BenchResult(
        rows=tuple(_compared(row, rows, bool(tainted)) for row in rows),
        tainted=tuple(tainted),
        host=host_from_json(ends["before"][-1]["host"]) if befores else None,
        before=befores[0] if befores else None,
        after=afters[-1] if afters else None,
        moments=moments,
    )


def _row(subject: Subject, row: _RowEvents) -> ResultRow:
    unfinished: dict[str, Any] = {
        "verdict": "unfinished",
        "note": "interrupted before it was opened",
    }
    parity = dict(row.parity) or unfinished
    if row.died:
        parity |= {"verdict": "crashed", "note": row.died}
    engine = engine_from_fields(parity)
    parity = {key: value for key, value in parity.items() if key not in {"engine", "engine_id"}}
    difference = parity.pop("difference", None)
    if difference is not None:
        difference = difference_from_json(difference)
    is_timed = bool(row.blocks) and not row.died
    energy = [joules for joules in row.energy_j if joules is not None]
    cold = None
    if row.cold_ms:
        base = int(median(row.bases)) if row.bases else None
        cold = ColdStart(tuple(row.cold_ms), median(row.cold_ms), int(median(row.peaks)), base)
    return ResultRow(
        subject=subject,
        **parity,
        engine=engine,
        difference=difference,
        latency=summarise(subject.bundle, row.blocks, row.warmup_runs) if is_timed else None,
        rounds=tuple(row.rounds),
        cold=cold,
        energy_j=median(energy) if energy else None,
    )


def _name_of(row: ResultRow) -> str:
    return f"{row.artefact} on {row.engine.label if row.engine else ''}"


def _compared(row: ResultRow, rows: Sequence[ResultRow], is_tainted: bool) -> ResultRow:
    if row.subject.against is None:
        return row
    return replace(row, comparison=compare_rows(row, rows[row.subject.against], tainted=is_tainted))


def compare_rows(
    row: ResultRow, other: ResultRow, *, tainted: bool = False
) -> LatencyComparison | None:
    """Compare `row` with `other` over the rounds that both have; None where those are too few."""
    if row.latency is None or other.latency is None:
        return None
    ours = dict(zip(row.rounds, row.latency.blocks_ms, strict=True))
    theirs = dict(zip(other.rounds, other.latency.blocks_ms, strict=True))
    both = sorted(ours.keys() & theirs.keys())
    if len(both) < LEAST_ROUNDS:
        return None
    return compare([ours[n] for n in both], [theirs[n] for n in both], tainted=tainted)


def host_from_json(values: Mapping[str, Any]) -> Host:
    """The host in an event's JSON."""
    lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    return Host(**dict(values) | lists)


def state_from_json(values: Mapping[str, Any]) -> HostState:
    """The machine's state in an event's JSON."""
    lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    cpu = values["cpu"] and CpuTimes(**values["cpu"])
    return HostState(**dict(values) | lists | {"cpu": cpu})
