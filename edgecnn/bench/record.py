"""Medians of a bench, written into the bundle: `open` chooses by them on machines alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from edgecnn.bench.known import artefact_digests, measured_rows, merged
from edgecnn.bundles.output import behind_link
from edgecnn.errors import BenchRefused
from edgecnn_exporters.compile.unchanged import identity_of, unchanged
from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.choice.fastest import IN_BUNDLE
from edgecnn_runtime.choice.latencies import latencies_from_json
from edgecnn_runtime.manifest import SCHEMA
from edgecnn_runtime.measure.results import BenchResult


def record_measured(
    path: Path, results: Iterable[BenchResult], budget: Budget | None = None
) -> int:
    """Write the times of runs that were not disturbed into the bundle's provenance.

    Rows of artefacts that are no longer in it go. All else stays as it is.

    Returns:
        Number of rows that were measured; the bundle is not written where it is 0.

    Raises:
        BenchRefused: the bundle is of an older schema.
        BundleError: the bundle cannot be trusted.
        OutputNotWritable: it cannot be written, or changed meanwhile.
    """
    path = behind_link(path)
    digests = artefact_digests(path)
    rows = [row for result in results for row in measured_rows(result, digests)]
    if not rows:
        return 0
    identity = identity_of(path)
    with Bundle(path, budget) as bundle:
        manifest = bundle.manifest
        if manifest.schema != SCHEMA:
            raise BenchRefused(
                f"{path} is of schema {manifest.schema}, which --record does not write; export it "
                "again"
            )
        told = latencies_from_json(manifest.provenance.get(IN_BUNDLE))
        earlier = [row for row in told if row.sha256 in digests.values()]
        measured = [row.to_json() for row in merged(earlier, rows)]
        provenance = manifest.provenance | {IN_BUNDLE: measured}
        files = {name: bundle.read(name) for name in manifest.files}
        with unchanged(path, identity, path):
            write_bundle(path, replace(manifest, provenance=provenance), files)
    return len(rows)
