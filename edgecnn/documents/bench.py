"""JSON document of ``edgecnn bench``: latencies, comparisons, estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from edgecnn.bench.compare import Change
from edgecnn.bench.estimated import Estimate
from edgecnn.bench.verdicts import best_of, verdict_of
from edgecnn.bundles.opens import Opens
from edgecnn.documents.estimates import EstimateFields, estimate_fields
from edgecnn.documents.parity import label_of
from edgecnn_runtime.engines.engine_id import EngineId
from edgecnn_runtime.host.facts import Host, HostState
from edgecnn_runtime.host.process import ColdStart
from edgecnn_runtime.measure.results import BenchResult, ResultRow
from edgecnn_runtime.measure.statistics import LatencyComparison
from edgecnn_runtime.measure.timing import Latency
from edgecnn_runtime.parity.difference import Difference


@dataclass(frozen=True)
class BenchRow:
    """One artefact on one engine, with all samples.

    Attributes:
        bundle: file name of the bundle.
        threads: of the engine; null where the engine chose.
        against: index of the row that this one is compared with; null for none.
        note: the limit that `golden` rests on, or the error.
        name: of the network.
        artefact: path in the bundle.
        format: of the artefact, such as "onnx".
        precision: of the artefact.
        engine: name and version; empty where nothing ran.
        difference: of the golden answers from the original's; null where none were compared.
        latency: of one inference, at batch 1 or `batch`, or of one step; null where nothing was
            timed.
        rounds: number of the round of each of `latency.blocks_ms`.
        cold: start of a process to its first result; null where it was not measured.
        energy_j: joules of the whole machine an inference, where it has counters.
        comparison: with the row `against`; null where one of both was not timed.
        engine_id: the parts of `engine`.
        golden: verdict of the golden examples: "equal", "differs", "unproven", "refused",
            "crashed" or "unfinished".
        verdict: in words: "FASTER 1.68× ✓", "baseline", "WRONG" …
        batch: images a run; null for one.
        is_learning: what was run is a step of learning, not an inference.
    """

    bundle: str
    threads: int | None
    against: int | None
    note: str
    name: str
    artefact: str
    format: str
    precision: str
    engine: str
    difference: Difference | None
    latency: Latency | None
    rounds: tuple[int, ...]
    cold: ColdStart | None
    energy_j: float | None
    comparison: LatencyComparison | None
    engine_id: EngineId | None
    golden: str
    verdict: str
    batch: int | None
    is_learning: bool


@dataclass(frozen=True)
class BenchDevice:
    """Results of one device.

    Attributes:
        device: its name.
        host, before, after: the machine, and its state; null where no row was timed.
        tainted: disturbances that make the times unreliable.
        rows: in the order of the table.
        best: index of the fastest row that answers correctly; null where there is none.
    """

    device: str
    host: Host | None
    before: HostState | None
    after: HostState | None
    tainted: tuple[str, ...]
    rows: tuple[BenchRow, ...]
    best: int | None


@dataclass(frozen=True)
class ComparedRow:
    """A row of this run against the same row of the run of ``--compare``.

    Attributes:
        device: name of the device.
        artefact: its path in the bundle.
        engine: name and version.
        engine_id: the parts of `engine`.
        threads: of the engine.
        comparison: null where the earlier run has no such row, or one was not timed.
        note: what else has changed, or why nothing was compared.
    """

    device: str
    artefact: str
    engine: str
    engine_id: EngineId | None
    threads: int | None
    comparison: LatencyComparison | None
    note: str


@dataclass(frozen=True)
class BenchDocument:
    """Latency of a bundle's artefacts on devices.

    Attributes:
        devices: one entry a device that finished.
        compared: rows against those of ``--compare``; empty without it.
        estimated: estimates of compile targets, such as ethos-u55-128.
        failures: a line for each device that failed, and each bundle of which nothing was measured.
        opens: what `edgecnn_runtime.open` takes of the bundle on this machine; null where nothing
            was measured here.
    """

    devices: tuple[BenchDevice, ...]
    compared: tuple[ComparedRow, ...]
    estimated: tuple[EstimateFields, ...]
    failures: tuple[str, ...]
    opens: Opens | None


def bench_document(
    results: Mapping[str, BenchResult],
    compared: Sequence[Change] = (),
    estimates: Sequence[Estimate] = (),
    failures: Sequence[str] = (),
    opens: Opens | None = None,
) -> BenchDocument:
    """The document of a bench: results by device, comparisons, estimates, failures."""
    return BenchDocument(
        tuple(_device(device, result) for device, result in results.items()),
        tuple(_compared(change) for change in compared),
        tuple(estimate_fields(each) for each in estimates),
        tuple(failures),
        opens,
    )


def _device(device: str, result: BenchResult) -> BenchDevice:
    best = best_of(result, result.rows[0].subject.bundle)
    return BenchDevice(
        device=device,
        host=result.host,
        before=result.before,
        after=result.after,
        tainted=result.tainted,
        rows=tuple(map(_row, result.rows)),
        best=None if best is None else result.rows.index(best.row),
    )


def _row(row: ResultRow) -> BenchRow:
    return BenchRow(
        bundle=PurePosixPath(row.subject.bundle).name,
        threads=row.subject.threads,
        against=row.subject.against,
        note=row.note,
        name=row.name,
        artefact=row.artefact or row.subject.artefact or "",
        format=row.format,
        precision=row.precision,
        engine=label_of(row.engine),
        difference=row.difference,
        latency=row.latency,
        rounds=row.rounds,
        cold=row.cold,
        energy_j=row.energy_j,
        comparison=row.comparison,
        engine_id=row.engine,
        golden=row.verdict,
        verdict=verdict_of(row),
        batch=row.subject.batch,
        is_learning=row.is_learning,
    )


def _compared(change: Change) -> ComparedRow:
    row = change.row
    return ComparedRow(
        device=change.device,
        artefact=row.artefact,
        engine=label_of(row.engine),
        engine_id=row.engine,
        threads=row.subject.threads,
        comparison=change.comparison,
        note=change.note,
    )
