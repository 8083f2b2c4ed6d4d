"""Verdicts of a bench in words: FASTER, SLOWER, NO DIFFERENCE, TAINTED, and the best row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from edgecnn_runtime.measure.results import BenchResult, ResultRow, compare_rows

WRONG = {"differs": "WRONG", "crashed": "CRASHED", "refused": "REFUSED", "unfinished": "UNFINISHED"}


def artefact_of(row: ResultRow) -> str:
    """Path of a row's artefact, with the number of images of a step of learning."""
    path, batch = row.artefact or row.subject.artefact or "", row.subject.batch
    return path if batch is None else f"{path}, {images_words(batch)}"


def images_words(count: int | None) -> str:
    """Number of images, as ``16 images``."""
    return f"{count} image{'' if count == 1 else 's'}"


def verdict_of(row: ResultRow) -> str:
    """Verdict of a row: ``FASTER 1.68× ✓``, ``SLOWER 0.82×``, ``NO DIFFERENCE`` or a failure."""
    if row.verdict in WRONG:
        return WRONG[row.verdict]
    if row.comparison is None:
        return "baseline" if row.subject.against is None else ""
    if row.is_learning and row.comparison.verdict != "tainted":
        return f"{row.comparison.ratio:.2f}× the time"
    times = f"{1 / row.comparison.ratio:.2f}×"
    return {
        "faster": f"FASTER {times} ✓",
        "slower": f"SLOWER {times}",
        "no difference": "NO DIFFERENCE",
        "tainted": "TAINTED",
    }[row.comparison.verdict]


def agreement_of(row: ResultRow) -> str:
    """Agreement of a row's outputs with the original network's: SQNR and top-1.

    ``not verified`` without golden examples.
    """
    if row.verdict == "unproven":
        return "not verified"
    if row.difference is None:
        return ""
    right = round(row.difference.top1_agreement * row.difference.n)
    return f"{row.difference.sqnr_db:.0f} dB, {right}/{row.difference.n}"


def engine_of(row: ResultRow) -> str:
    """Name of the engine that ran, or of the requested one where none did."""
    return row.engine.words() if row.engine is not None else row.subject.engine or ""


@dataclass(frozen=True)
class Best:
    """The fastest row with correct outputs.

    Attributes:
        alike: rows whose latencies do not differ from it significantly.
    """

    row: ResultRow
    alike: tuple[ResultRow, ...]

    def words(self) -> str:
        """The best row in one line."""
        assert self.row.latency is not None
        line = f"{name_of(self.row)}: {self.row.latency.median_ms:.3g} ms"
        if agreement := agreement_of(self.row):
            line += f", {agreement}"
        if self.alike:
            line += f"; no slower within the noise: {', '.join(map(name_of, self.alike))}"
        return line


def unmeasured(results: Mapping[str, BenchResult]) -> list[str]:
    """A line for each device and bundle of which no row was timed, with the first row's reason."""
    lines = []
    for device, result in results.items():
        for bundle in dict.fromkeys(row.subject.bundle for row in result.rows):
            rows = [row for row in result.rows if row.subject.bundle == bundle]
            if not any(row.latency for row in rows):
                name = PurePosixPath(bundle).name
                lines.append(f"{device}: nothing of {name} was measured: {rows[0].note}")
    return lines


def name_of(row: ResultRow) -> str:
    """Artefact, images of a step of learning, engine and threads of a row, for display."""
    engine = engine_of(row)
    threads = row.subject.threads
    of_threads = "" if threads is None else f", {threads} thread{'s' * (threads != 1)}"
    return f"{artefact_of(row)} on {engine}{of_threads}"


def best_of(result: BenchResult, bundle: str) -> Best | None:
    """The best row of one bundle; None where no correct row was timed without a disturbance.

    Args:
        bundle: its path on the board.
    """
    rows = [row for row in result.rows if row.latency and row.subject.bundle == bundle]
    if result.tainted or not rows:
        return None
    fastest = min(rows, key=_median)
    others = [row for row in rows if row is not fastest]
    alike = [row for row in others if _is_alike(row, fastest)]
    return Best(fastest, tuple(alike))


def _median(row: ResultRow) -> float:
    assert row.latency is not None
    return row.latency.median_ms


def _is_alike(row: ResultRow, fastest: ResultRow) -> bool:
    comparison = compare_rows(row, fastest)
    return comparison is not None and comparison.verdict == "no difference"
