"""Tables of `edgecnn bench --profile`: time by kind of operator, and the slowest operators."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.bench.profiled import Profiled
from edgecnn.console import table
from edgecnn.report.blocks import Block
from edgecnn.text_table import TextTable
from edgecnn_runtime.measure.profile import Profile
from edgecnn_runtime.measure.stages import Stage

KINDS = 8
SLOWEST = 5


def profile_blocks(devices: Sequence[Profiled]) -> list[Block]:
    """For each row a line and two tables, or the reason why its engine tells no times."""
    blocks: list[Block] = []
    for one in devices:
        for row in one.rows:
            where = f"{one.device}: {row.artefact} on {row.engine.words()}"
            if not row.stages:
                blocks += [f"{where}: {row.note}", ""]
                continue
            blocks += [f"{where}{_summary(row)}", _kinds(row), "", _slowest(row), ""]
    return blocks[:-1]


def _summary(row: Profile) -> str:
    threads = "1 thread" if row.threads == 1 else f"{row.threads} threads"
    whole = "" if row.run_ms is None else f", {row.run_ms:.2f} ms a run with the profiler on"
    total, count = _total(row.stages), len(row.stages)
    return f", {threads}: {total:.2f} ms in {count} operators{whole}, median of {row.runs}"


def _kinds(row: Profile) -> TextTable:
    times: dict[str, list[float]] = {}
    for stage in row.stages:
        times.setdefault(stage.kind, []).append(stage.ms)
    ordered = sorted(times.items(), key=lambda one: -sum(one[1]))
    shown = table(("kind", "operators", "ms", "share"), right=("operators", "ms", "share"))
    for kind, ms in ordered[:KINDS]:
        shown.add_row(kind, str(len(ms)), f"{sum(ms):.3f}", _share(sum(ms), row.stages))
    if rest := [ms for _, several in ordered[KINDS:] for ms in several]:
        name = f"{len(ordered) - KINDS} others"
        shown.add_row(name, str(len(rest)), f"{sum(rest):.3f}", _share(sum(rest), row.stages))
    return shown


def _slowest(row: Profile) -> TextTable:
    shown = table(("slowest", "kind", "ms", "share"), right=("ms", "share"), wrap=("slowest",))
    for stage in sorted(row.stages, key=lambda one: -one.ms)[:SLOWEST]:
        shown.add_row(
            _short(stage.name), stage.kind, f"{stage.ms:.3f}", _share(stage.ms, row.stages)
        )
    return shown


def _short(name: str, most: int = 40) -> str:
    """The end of a long name, which tells more than its beginning."""
    return name if len(name) <= most else f"…{name[1 - most :]}"


def _share(ms: float, stages: Sequence[Stage]) -> str:
    return f"{100 * ms / max(_total(stages), 1e-12):.1f} %"


def _total(stages: Sequence[Stage]) -> float:
    return sum(stage.ms for stage in stages)
