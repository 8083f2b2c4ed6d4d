"""Files of a bundle that belong to an artefact or to golden examples; the bundle it came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgecnn_runtime.manifest import Artefact, Manifest
from edgecnn_runtime.training import Training

STRIPPED = "stripped"
"""Key of the provenance: what was left out of which bundle, the first strip first."""


def artefact_files(artefact: Artefact) -> tuple[str, ...]:
    """Paths of all files that belong to an artefact, its report among them; each once."""
    report = () if artefact.report is None else (artefact.report,)
    return tuple(dict.fromkeys((*artefact.paths, *report)))


def golden_files(manifest: Manifest) -> tuple[str, ...]:
    """Paths of the golden examples' files in the bundle; each once."""
    return tuple(
        dict.fromkeys(
            path
            for one in manifest.golden
            for path in (*one.inputs.values(), *one.outputs.values(), one.image)
            if path is not None
        )
    )


def training_files(training: Training) -> tuple[str, ...]:
    """Paths of the files that belong to a training graph."""
    step = () if training.golden is None else (training.golden,)
    return (training.graph, training.values, *step)


def parent_of(provenance: Mapping[str, Any]) -> str | None:
    """The sha256 of the bundle that one was stripped from; None where it was not stripped."""
    entries = provenance.get(STRIPPED)
    last = entries[-1] if isinstance(entries, list) and entries else None
    digest = last.get("parent_sha256") if isinstance(last, dict) else None
    return digest if isinstance(digest, str) else None
