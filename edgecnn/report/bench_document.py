"""Results of a bench as JSON values, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from edgecnn.bench.compare import Change
from edgecnn.bench.verdicts import best_of, verdict_of
from edgecnn_runtime.engines.engine_id import engine_fields
from edgecnn_runtime.measure.results import BenchResult, ResultRow

CSV_COLUMNS = (
    *("device", "bundle", "artefact", "precision", "engine", "threads"),
    *("median_ms", "low_ms", "high_ms", "p90_ms", "p99_ms", "runs", "rounds"),
    *("cold_ms", "peak_memory_bytes", "energy_j", "sqnr_db", "top1_agreement", "golden"),
    *("ratio", "ratio_low", "ratio_high", "verdict", "tainted"),
)


def as_document(
    results: Mapping[str, BenchResult], compared: Sequence[Change] = ()
) -> dict[str, Any]:
    """The JSON document of a bench, for ``--json``."""
    return {
        "devices": [as_values(device, result) for device, result in results.items()],
        "compared": [
            {
                "device": change.device,
                "artefact": change.row.artefact,
                **engine_fields(change.row.engine),
                "threads": change.row.subject.threads,
                "comparison": change.comparison and asdict(change.comparison),
                "note": change.note,
            }
            for change in compared
        ],
    }


def as_values(device: str, result: BenchResult) -> dict[str, Any]:
    """One device's results, raw samples and all."""
    best = best_of(result, result.rows[0].subject.bundle)
    return {
        "device": device,
        "host": result.host and asdict(result.host),
        "before": result.before and asdict(result.before),
        "after": result.after and asdict(result.after),
        "tainted": list(result.tainted),
        "rows": [_row(row) for row in result.rows],
        "best": None if best is None else result.rows.index(best.row),
    }


def _row(row: ResultRow) -> dict[str, Any]:
    values = asdict(row)
    subject = values.pop("subject")
    return {
        "bundle": PurePosixPath(subject["bundle"]).name,
        "threads": subject["threads"],
        "against": subject["against"],
        **values,
        **engine_fields(row.engine),
        "artefact": row.artefact or subject["artefact"],
        "golden": values.pop("verdict"),
        "verdict": verdict_of(row),
    }


def as_csv(results: Mapping[str, BenchResult]) -> str:
    """A line for each row, times in milliseconds; without the raw samples."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for device, result in results.items():
        for row in result.rows:
            writer.writerow(_flat(device, row, result.tainted))
    return text.getvalue()


def _flat(device: str, row: ResultRow, tainted: tuple[str, ...]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "device": device,
        "bundle": PurePosixPath(row.subject.bundle).name,
        "artefact": row.artefact or row.subject.artefact,
        "precision": row.precision or row.subject.precision,
        "engine": row.engine.label if row.engine else row.subject.engine,
        "threads": row.subject.threads,
        "golden": row.verdict,
        "verdict": verdict_of(row),
        "tainted": "; ".join(tainted),
        "energy_j": row.energy_j,
    }
    if row.latency is not None:
        low, high = row.latency.interval_ms
        values |= {
            "median_ms": row.latency.median_ms,
            "low_ms": low,
            "high_ms": high,
            "p90_ms": row.latency.p90_ms,
            "p99_ms": row.latency.p99_ms,
            "runs": len(row.latency.samples_ms),
            "rounds": len(row.latency.blocks_ms),
        }
    if row.cold is not None:
        values |= {
            "cold_ms": row.cold.median_ms,
            "peak_memory_bytes": row.cold.peak_memory_bytes,
        }
    if row.difference is not None:
        values |= {
            "sqnr_db": row.difference.sqnr_db,
            "top1_agreement": row.difference.top1_agreement,
        }
    if (comparison := row.comparison) is not None:
        values |= {
            "ratio": comparison.ratio,
            "ratio_low": comparison.low,
            "ratio_high": comparison.high,
        }
    return values
