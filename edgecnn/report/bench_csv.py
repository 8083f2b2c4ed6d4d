"""Results of a bench as CSV, and as flat rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from edgecnn.bench.verdicts import verdict_of
from edgecnn_runtime.measure.results import BenchResult, ResultRow

CSV_COLUMNS = (
    *("device", "bundle", "artefact", "precision", "engine", "threads", "batch"),
    *("median_ms", "low_ms", "high_ms", "p90_ms", "p99_ms", "runs", "rounds"),
    *("cold_ms", "peak_memory_bytes", "energy_j", "sqnr_db", "top1_agreement", "golden"),
    *("ratio", "ratio_low", "ratio_high", "verdict", "tainted"),
)


def csv_text(results: Mapping[str, BenchResult]) -> str:
    """A line for each row, times in milliseconds; without the raw samples."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat_rows(results))
    return text.getvalue()


def flat_rows(results: Mapping[str, BenchResult]) -> list[dict[str, Any]]:
    """One dictionary a row: column of `CSV_COLUMNS` → value; those without a value are left out."""
    return [
        _flat(device, row, result.tainted)
        for device, result in results.items()
        for row in result.rows
    ]


def _flat(device: str, row: ResultRow, tainted: tuple[str, ...]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "device": device,
        "bundle": PurePosixPath(row.subject.bundle).name,
        "artefact": row.artefact or row.subject.artefact,
        "precision": row.precision or row.subject.precision,
        "engine": row.engine.label if row.engine else row.subject.engine,
        "threads": row.subject.threads,
        "batch": row.subject.batch or 1,
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
