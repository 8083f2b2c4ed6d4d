"""Answers of a bundle's ONNX artefacts to held-out images; paths of its artefacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.evaluate.examples import Examples
from edgecnn.evaluate.run import Outcome, Variant, find_variants, run
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.progress import Progress

# The engine that learns runs what was learnt, too.
ENGINE = "onnxruntime"


@dataclass(frozen=True)
class Answers:
    """Predictions of artefacts for the same images."""

    variants: Sequence[Variant]
    outcome: Outcome


def answers_of(bundle: Path, examples: Examples, progress: Progress) -> Answers:
    """Answers of every precision of a bundle, as an app would get them.

    Args:
        progress: called with the share done, 0 to 1.

    Raises:
        BundleError, EngineError: it cannot be trusted, or an engine fails.
        DataUnreadable: an image went away since it was read first.
    """
    variants = find_variants(str(bundle), ENGINE, None)
    outcome = run(variants, examples, is_strict=True, progress=progress)
    return Answers(variants, outcome)


def artefact_paths(path: Path) -> tuple[str, ...]:
    """Paths in a bundle of its artefacts."""
    with Bundle(path) as bundle:
        return tuple(artefact.path for artefact in bundle.manifest.artefacts)
