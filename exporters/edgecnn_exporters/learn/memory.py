"""Memory of a step of learning held to a limit: more and more activations are computed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.errors import DoesNotFit
from edgecnn_exporters.gradient.cuts import Cuts, cuts_of
from edgecnn_exporters.gradient.forward_values import forward_values
from edgecnn_exporters.gradient.recompute import recompute
from edgecnn_exporters.gradient.training_graph import MemoryLimit
from edgecnn_exporters.learn.build import Batch, BuiltGraph
from edgecnn_exporters.learn.golden_step import drawn_inputs
from edgecnn_exporters.learn.peak import peak_of_step
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.training import LABELS, RATE

MB = 10**6


@dataclass(frozen=True)
class StepMemory:
    """Memory of a step of learning, measured.

    Attributes:
        megabytes: as `MemoryLimit` counts it.
        batch: images of the step.
        kept: of `activations`, those that are kept for the backward pass; the others are computed
            again.
        activations: number of those that the backward pass reads.
        segments: of the forward pass; 1: nothing is computed again.
    """

    megabytes: float
    batch: int
    kept: int
    activations: int
    segments: int

    def to_json(self) -> dict[str, Any]:
        """For a bundle's provenance."""
        return {
            "memory_mb": round(self.megabytes, 1),
            "batch": self.batch,
            "kept_activations": self.kept,
            "activations": self.activations,
            "segments": self.segments,
        }


def within_memory(
    built: BuiltGraph, limit: MemoryLimit, batch: Batch
) -> tuple[BuiltGraph, StepMemory]:
    """The training graph with as few activations computed again as a limit allows.

    Each form is measured in a process of its own: first the graph as it is, then with more and more
    segments.

    Args:
        batch: images and labels, repeated to the batch of the limit.

    Raises:
        DoesNotFit: a step takes more whatever is computed again.
        MeasureError: a process fails.
    """
    feeds = _feeds(built, limit.batch, batch)
    model = built.graph.model
    least = float("inf")
    for cuts in cuts_of(forward_values(model.clone(), limit.batch)):
        cut, memory = _measured(model, cuts, limit.batch, feeds)
        if memory.megabytes <= limit.megabytes:
            return replace(built, graph=replace(built.graph, model=cut)), memory
        least = min(least, memory.megabytes)
    raise DoesNotFit(
        f"a step of {limit.batch} takes at least {least:.0f} MB, --learn-memory allows "
        f"{limit.megabytes:g}; take a smaller --learn-batch, or learn fewer layers, as --learn "
        "last:1"
    )


def _measured(
    model: ir.Model, cuts: Cuts, batch: int, feeds: Mapping[str, Array]
) -> tuple[ir.Model, StepMemory]:
    made = model.clone()
    forward = forward_values(made, batch)
    names = [str(value.name) for value in forward.needed if not forward.is_small(value)]
    kept = set(names)
    if cuts.places:
        kept &= set(recompute(made, forward, cuts.places))
    content = to_bytes(made if cuts.places else model)
    megabytes = peak_of_step(content, feeds) / MB
    memory = StepMemory(megabytes, batch, len(kept), len(names), len(cuts.places) + 1)
    return made if cuts.places else model, memory


def _feeds(built: BuiltGraph, size: int, batch: Batch) -> dict[str, Array]:
    """Every input of the training graph at a batch."""
    turns = np.arange(size) % len(batch.labels)
    feeds = {name: array[turns] for name, array in batch.feeds.items()}
    training = built.training
    state = {
        spec.name: np.zeros([extent or 1 for extent in spec.shape], spec.dtype)
        for spec in training.state
    }
    feeds |= {**built.values, **state, **drawn_inputs(training.random, size)}
    feeds |= {LABELS: batch.labels[turns], RATE: np.zeros((), np.float32)}
    names = {str(value.name) for value in built.graph.model.graph.inputs}
    return {name: array for name, array in feeds.items() if name in names}
