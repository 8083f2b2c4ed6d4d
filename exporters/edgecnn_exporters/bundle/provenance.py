"""Provenance of a bundle: command, sources, capture, passes, versions, targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecnn_exporters.bundle.requests import Request
from edgecnn_exporters.bundle.versions import tool_versions
from edgecnn_exporters.capture.reference import Reference
from edgecnn_exporters.capture.torch_export import Attempt
from edgecnn_exporters.targets import Translated
from edgecnn_runtime.parity.difference import Difference


def provenance_of(
    request: Request,
    reference: Reference,
    attempts: tuple[Attempt, ...],
    passes: tuple[str, ...],
    difference: Difference,
) -> dict[str, Any]:
    """Provenance of the float graph; without a date, so that equal exports are equal bytes.

    Args:
        difference: of the optimised graph from the original.
    """
    return {
        "command": request.command,
        "source": dict(request.source),
        "capture": [{"exporter": a.exporter, "outcome": a.outcome} for a in attempts],
        "passes": list(passes),
        "batches": [len(feed) for feed, _ in reference.batches],
        "relative_difference": float(f"{difference.relative:.2e}"),
        "versions": tool_versions(),
    }


def targets_provenance(translated: Sequence[Translated]) -> dict[str, Any]:
    """Provenance of each artefact of another format: operators, batch, proof if not measured."""
    return {each.artefact.path: _of_artefact(each) for each in translated}


def _of_artefact(translated: Translated) -> dict[str, Any]:
    fields: dict[str, Any] = {"operators": dict(translated.operators), "batch": translated.batch}
    proof = translated.target.proof
    return fields if proof == "measured" else fields | {"proof": proof}
