"""Comparison of a bench with an earlier run, to find latency regressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgecnn.bench.journal import Record
from edgecnn.bench.verdicts import engine_of, name_of
from edgecnn_runtime.measure.results import BenchResult, ResultRow
from edgecnn_runtime.measure.statistics import MARGIN_APART, LatencyComparison, compare_apart


@dataclass(frozen=True)
class Change:
    """Comparison of one row with the same row of an earlier run.

    Attributes:
        comparison: None where the earlier run has no such row, or one of the two was not timed.
        note: what else has changed, such as the engine's version.
    """

    device: str
    row: ResultRow
    comparison: LatencyComparison | None
    note: str = ""

    def words(self) -> str:
        """The change in one line."""
        if self.comparison is None:
            return f"{name_of(self.row)}: {self.note}"
        comparison = self.comparison
        phrase = {
            "faster": "FASTER",
            "slower": "SLOWER",
            "no difference": f"NO DIFFERENCE beyond {MARGIN_APART:.0%}",
            "tainted": "NO VERDICT, a run was disturbed",
        }[comparison.verdict]
        line = (
            f"{name_of(self.row)}: {phrase}: {comparison.ratio:.3f} × the earlier latency "
            f"(99 % interval {comparison.low:.3f} to {comparison.high:.3f})"
        )
        return f"{line}; {self.note}" if self.note else line


def changes(results: Mapping[str, BenchResult], earlier: Record) -> list[Change]:
    """Compare every row of `results` with the same row of `earlier`."""
    compared = []
    for device, result in results.items():
        if device not in earlier.subjects:
            compared += [
                Change(device, row, None, f"{earlier.path} has no device {device}")
                for row in result.rows[:1]
            ]
            continue
        before = earlier.result(device)
        alike = {_likeness(row): row for row in before.rows}
        is_tainted = bool(result.tainted or before.tainted)
        host = _host_change(result, before)
        compared += [
            _change(device, row, alike.get(_likeness(row)), is_tainted, host) for row in result.rows
        ]
    return compared


def _likeness(row: ResultRow) -> tuple[object, ...]:
    subject = row.subject
    # A bundle may have another name by now; a baseline beside it must not be taken for it.
    against = subject.environment, subject.against
    return subject.artefact, subject.engine, subject.threads, subject.batch or 1, *against


def _change(
    device: str, row: ResultRow, before: ResultRow | None, is_tainted: bool, host: str
) -> Change:
    if before is None:
        return Change(device, row, None, "not measured earlier")
    if row.latency is None or before.latency is None:
        return Change(device, row, None, "not timed" if row.latency is None else "not timed then")
    notes = [host] if host else []
    if row.engine != before.engine:
        notes.append(f"it was {engine_of(before)}")
    comparison = compare_apart(row.latency.blocks_ms, before.latency.blocks_ms, tainted=is_tainted)
    return Change(device, row, comparison, ", ".join(notes))


def _host_change(result: BenchResult, before: BenchResult) -> str:
    now, then = result.host, before.host
    if now is None or then is None or (now.model, now.cpu) == (then.model, then.cpu):
        return ""
    return f"another machine: it was {then.model or ''} {then.cpu or then.machine}".replace(
        "  ", " "
    )
