"""Rows of a bench, as latencies that `edgecnn_runtime.open` chooses by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from edgecnn.devices.names import HOST
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.choice.kept import keep_latencies
from edgecnn_runtime.choice.latencies import TIMED, VERDICTS, KnownLatency
from edgecnn_runtime.choice.packages import installed_version
from edgecnn_runtime.engines.table import ENGINES
from edgecnn_runtime.host.processor import Processor, this_processor
from edgecnn_runtime.measure.results import BenchResult, ResultRow


def keep_measured(result: BenchResult, places: Mapping[str, Path]) -> None:
    """Keep what was measured with this interpreter's engines, for `open` on this machine.

    Times of a disturbed run are not kept, wrong answers are. Where nothing can be kept, `open` goes
    by its order.

    Args:
        places: path in the job → the bundle.
    """
    digests = {place: artefact_digests(path) for place, path in places.items()}
    processor = this_processor()
    rows = [row for row in result.rows if row.subject.environment == HOST and _is_inference(row)]
    known = [_known(row, digests[row.subject.bundle], processor, _installed(row)) for row in rows]
    keep_latencies(
        row for row in known if row is not None and (row.verdict not in TIMED or not result.tainted)
    )


def measured_rows(result: BenchResult, digests: Mapping[str, str]) -> list[KnownLatency]:
    """The times of a run that was not disturbed, of any machine; empty of a disturbed one.

    Args:
        digests: artefact → sha256 of its file.
    """
    host = result.host
    if host is None or result.tainted:
        return []
    processor = Processor(host.cpu, host.machine, host.features)
    rows = [row for row in result.rows if _is_inference(row) and row.engine is not None]
    known = [
        _known(row, digests, processor, f"{row.engine.package} {row.engine.version}")
        for row in rows
        if row.engine is not None
    ]
    return [row for row in known if row is not None and row.verdict in TIMED]


def artefact_digests(path: Path) -> dict[str, str]:
    """Artefact → sha256 of its file.

    Raises:
        BundleError: the bundle cannot be trusted.
    """
    with Bundle(path) as bundle:
        manifest = bundle.manifest
    return {one.path: manifest.files[one.path].sha256 for one in manifest.artefacts}


def merged(earlier: Iterable[KnownLatency], later: Iterable[KnownLatency]) -> list[KnownLatency]:
    """The rows of both, a later one in place of an earlier one of the same; in a fixed order."""
    rows = {row.key: row for row in (*earlier, *later)}
    return [rows[key] for key in sorted(rows)]


def _is_inference(row: ResultRow) -> bool:
    return not row.is_learning and row.subject.batch is None and row.subject.engine in ENGINES


def _installed(row: ResultRow) -> str:
    return installed_version(ENGINES[row.subject.engine or ""])


def _known(
    row: ResultRow, digests: Mapping[str, str], processor: Processor, package: str
) -> KnownLatency | None:
    """The row; None of one that was not finished."""
    subject, latency = row.subject, row.latency
    digest = digests.get(subject.artefact or "")
    is_finished = row.verdict in VERDICTS and (latency is not None or row.verdict not in TIMED)
    if digest is None or subject.threads is None or subject.engine is None or not is_finished:
        return None
    return KnownLatency(
        digest,
        subject.engine,
        package,
        subject.threads,
        row.verdict,
        None if latency is None else latency.median_ms,
        processor.name or "",
        processor.features,
        datetime.now().astimezone().date().isoformat(),
    )
