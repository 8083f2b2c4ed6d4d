"""Step of a training graph as a bench runs it: held against its golden step, timed and counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.training.golden_step import labels_spec
from edgecnn_runtime.engines.engine_id import engine_fields
from edgecnn_runtime.host.process import peak_memory_bytes
from edgecnn_runtime.learn.step import TrainingStep
from edgecnn_runtime.manifest import Manifest
from edgecnn_runtime.parity.answers import (
    FIRST_RESULT,
    Answers,
    Verification,
    digest,
    mark,
    repeated,
    run_counted,
)
from edgecnn_runtime.parity.row import Parity
from edgecnn_runtime.parity.training import NO_GOLDEN_STEP, verify_training
from edgecnn_runtime.training import LABELS, Training


@dataclass(frozen=True)
class OpenedStep:
    """A training graph, ready to learn from the images of its golden step.

    Attributes:
        run: does one step.
        values: copies of what is learnt, as it is now.
    """

    run: Callable[[], object]
    values: Callable[[], dict[str, Array]]
    close: Callable[[], None]


def is_training_graph(bundle: Bundle, artefact: str | None) -> bool:
    """Whether a path in a bundle is that of its training graph."""
    training = bundle.manifest.training
    return training is not None and artefact == training.graph


def open_step(bundle: Bundle, *, threads: int | None, batch: int | None) -> OpenedStep:
    """Open the training graph of a bundle.

    Args:
        batch: images of a step: those of the golden step, one after the other, again and again;
            None takes its number. Zeros where there is none.

    Raises:
        BundleError, EngineError: it cannot be trusted, or the engine refuses it.
    """
    files, manifest = bundle.training(), bundle.manifest
    training = manifest.training
    assert training is not None, "it has a training graph"
    arrays = _batch(bundle, manifest, training)
    feeds = {spec.name: repeated(arrays[spec.name], batch) for spec in manifest.inputs}
    labels = repeated(arrays[LABELS], batch)
    if labels.dtype.kind == "i":  # of a bundle that has learnt other classes since
        labels = labels % (manifest.outputs[0].shape[-1] or 1)
    with bundle.budget.step():
        step = TrainingStep(files.graph, manifest, files.values, threads=threads)
    rate = training.learning_rate

    return OpenedStep(lambda: step.run(feeds, labels, rate), step.values, step.close)


def _batch(bundle: Bundle, manifest: Manifest, training: Training) -> dict[str, Array]:
    """Inputs and labels of the golden step, by name; zeros of the least batch without one."""
    golden = bundle.golden_step()
    if golden is not None:
        return {**golden.feeds, LABELS: golden.labels}
    specs = (*manifest.inputs, labels_spec(manifest, training))
    return {
        spec.name: np.zeros(
            [spec.shape[0] or training.least_batch, *(extent or 1 for extent in spec.shape[1:])],
            spec.dtype,
        )
        for spec in specs
    }


def step_fields(bundle: Bundle) -> dict[str, Any]:
    """Parity of the training graph as the JSON of a bench's row."""
    parity = _parity(bundle)
    return {
        "name": bundle.manifest.name,
        "artefact": parity.subject,
        "format": "onnx",
        "precision": parity.precision,
        **(engine_fields(parity.engine) if parity.engine else {}),
        "verdict": parity.verdict,
        "note": parity.note,
        "difference": None,
        "is_learning": True,
    }


def _parity(bundle: Bundle) -> Parity:
    parity = verify_training(bundle)
    assert parity is not None, "it has a training graph"
    return replace(parity, verdict="unproven") if parity.note == NO_GOLDEN_STEP else parity


def verify_step(
    bundle: Bundle, *, threads: int | None, batch: int | None, counted_runs: int
) -> tuple[Verification, tuple[Answers, ...]]:
    """One step, then `counted_runs` more between marks; then the golden step is verified.

    Returns:
        The verification, and the parameters after the first step.

    Raises:
        BundleError, EngineError: the training graph cannot be trusted, or the engine refuses it.
    """
    step = open_step(bundle, threads=threads, batch=batch)
    try:
        with bundle.budget.step():
            step.run()
        mark(FIRST_RESULT)
        peak, after = peak_memory_bytes(), step.values()
        run_counted(step.run, counted_runs)
    finally:
        step.close()
    answers = {spec.name: after[spec.name] for spec in bundle.manifest.parameters}
    digests = ({name: digest(array) for name, array in answers.items()},)
    parity = _parity(bundle)
    return Verification(parity, digests, peak, counted_runs), (answers,)
