"""`edgecnn bench`: latencies on devices, proofs on emulated boards, estimates; the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from edgecnn.exit_codes import DIFFERS, FAILED, NO_VERDICT, OK, SLOWER
from edgecnn.results.result import Result, difference_columns
from edgecnn_runtime.parity.verdict import WRONG

if TYPE_CHECKING:
    from edgecnn.bench.compare import Change
    from edgecnn.bench.emulated import Proved, ProvedRow
    from edgecnn.bench.estimated import Estimate
    from edgecnn.bundles.opens import Opens
    from edgecnn.documents.bench import BenchDocument
    from edgecnn.documents.emulated import EmulatedDocument
    from edgecnn.report.blocks import Block
    from edgecnn_runtime.measure.results import BenchResult


@dataclass(frozen=True)
class LatencyResult(Result):
    """Result of ``edgecnn bench`` on devices that are timed, or of compile targets alone.

    Attributes:
        devices: results by device, of those that finished.
        compared: rows against those of an earlier run.
        estimates: of compile targets, such as ethos-u55-128.
        failed: by device, the message of those that did not finish.
        is_against: rows are compared with those of a baseline bundle.
        warning: a sentence on a baseline for another task.
        opens: what `edgecnn_runtime.open` takes of the bundle here; None where nothing was measured
            on this machine.
    """

    SCHEMA: ClassVar[str] = "edgecnn.bench/2"

    devices: Mapping[str, BenchResult]
    compared: tuple[Change, ...] = ()
    estimates: tuple[Estimate, ...] = ()
    failed: Mapping[str, str] | None = None
    is_against: bool = False
    warning: str | None = None
    opens: Opens | None = None

    @property
    def failures(self) -> tuple[str, ...]:
        """A line for each device that failed, and each bundle of which nothing was measured."""
        from edgecnn.bench.verdicts import unmeasured

        return (*(self.failed or {}).values(), *unmeasured(self.devices))

    @property
    def exit_code(self) -> int:
        """0: measured. 1: a device failed. 3: a wrong answer. 4: slower. 5: no verdict."""
        code = FAILED if self.failed else self._verdict()
        return FAILED if self.failures and code == OK else code

    def _verdict(self) -> int:
        rows = [row for result in self.devices.values() for row in result.rows]
        if any(row.verdict in WRONG for row in rows):
            return DIFFERS
        comparisons = [change.comparison for change in self.compared if change.comparison]
        if self.is_against:
            comparisons += [row.comparison for row in rows if row.comparison]
        verdicts = {comparison.verdict for comparison in comparisons}
        if "slower" in verdicts:
            return SLOWER
        return NO_VERDICT if "tainted" in verdicts else OK

    def blocks(self) -> list[Block]:
        from edgecnn.report.bench_table import bench_blocks, change_lines
        from edgecnn.report.estimated_table import estimated_blocks

        measured = bench_blocks(self.devices) if self.devices else []
        changes = change_lines(self.devices, self.compared)
        warning = [] if self.warning is None else ["", self.warning]
        opens = [] if self.opens is None else [self.opens.words()]
        return [*measured, *changes, *opens, *warning, *estimated_blocks(self.estimates)]

    def document(self) -> BenchDocument:
        from edgecnn.documents.bench import bench_document

        return bench_document(
            self.devices, self.compared, self.estimates, self.failures, self.opens
        )

    def rows(self) -> list[dict[str, Any]]:
        from edgecnn.report.bench_csv import flat_rows

        return flat_rows(self.devices)


@dataclass(frozen=True)
class EmulatedResult(Result):
    """Result of ``edgecnn bench`` on emulated boards: answers and instruction counts, no latency.

    Attributes:
        proofs: one a board.
        estimates: of compile targets, such as ethos-u55-128.
    """

    SCHEMA: ClassVar[str] = "edgecnn.bench-emulated/1"

    proofs: tuple[Proved, ...]
    estimates: tuple[Estimate, ...] = ()

    @property
    def exit_code(self) -> int:
        """0: something ran, all of it right. 3: a wrong answer, or a crash. 1: nothing ran."""
        verdicts = {row.parity.verdict for one in self.proofs for row in one.rows}
        if verdicts & WRONG:
            return DIFFERS
        return OK if verdicts - {"skipped"} else FAILED

    def blocks(self) -> list[Block]:
        from edgecnn.report.emulated_table import proved_blocks
        from edgecnn.report.estimated_table import estimated_blocks

        return [*proved_blocks(self.proofs), *estimated_blocks(self.estimates)]

    def document(self) -> EmulatedDocument:
        from edgecnn.documents.emulated import emulated_document

        return emulated_document(self.proofs, self.estimates)

    def rows(self) -> list[dict[str, Any]]:
        return [_flat(one.device, row) for one in self.proofs for row in one.rows]


def _flat(device: str, row: ProvedRow) -> dict[str, Any]:
    counted = row.instructions
    return {
        "device": device,
        "artefact": row.parity.subject,
        "engine": None if row.parity.engine is None else row.parity.engine.words(),
        "verdict": row.parity.verdict,
        **difference_columns(row.parity.difference),
        "is_identical": row.likeness.is_identical,
        "instructions": None if counted is None else counted.counts["total"],
        "peak_memory_bytes": row.peak_memory_bytes,
    }
