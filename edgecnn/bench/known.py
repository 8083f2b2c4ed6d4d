"""Rows of a bench, as latencies that `edgecnn_runtime.open` chooses by."""

from __future__ import annotations

from collections.abc import Mapping
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
    rows = [row for row in result.rows if row.subject.environment == HOST and _is_inference(row)]
    digests = {place: _digests(path) for place, path in places.items()}
    processor, on = this_processor(), datetime.now().astimezone().date().isoformat()
    keep_latencies(
        known
        for row in rows
        if (known := _known(row, digests[row.subject.bundle], processor, on)) is not None
        and (known.verdict not in TIMED or not result.tainted)
    )


def _is_inference(row: ResultRow) -> bool:
    return not row.is_learning and row.subject.batch is None and row.subject.engine in ENGINES


def _digests(path: Path) -> dict[str, str]:
    """Artefact → sha256 of its file."""
    with Bundle(path) as bundle:
        manifest = bundle.manifest
    return {one.path: manifest.files[one.path].sha256 for one in manifest.artefacts}


def _known(
    row: ResultRow, digests: Mapping[str, str], processor: Processor, on: str
) -> KnownLatency | None:
    subject = row.subject
    digest = digests.get(subject.artefact or "")
    is_timed = row.latency is not None
    if digest is None or subject.threads is None or row.verdict not in VERDICTS:
        return None
    if row.verdict in TIMED and not is_timed:
        return None
    assert subject.engine is not None, "a bench names it"
    return KnownLatency(
        digest,
        subject.engine,
        installed_version(ENGINES[subject.engine]),
        subject.threads,
        row.verdict,
        row.latency.median_ms if row.latency is not None else None,
        processor.name or "",
        processor.features,
        on,
    )
