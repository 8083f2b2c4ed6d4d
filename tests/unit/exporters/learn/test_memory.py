"""Limit of a step's memory: what is chosen, and the refusal."""

from __future__ import annotations

import re

import pytest
from unit.exporters.gradient.test_recompute import deep_network
from unit.exporters.learn.support import normal

from edgecnn_exporters.errors import DoesNotFit
from edgecnn_exporters.gradient.training_graph import MemoryLimit, TrainingRequest
from edgecnn_exporters.learn.artefact import TrainingArtefact, training_artefact
from edgecnn_exporters.learn.source import LearnSource

BATCH = 256


def made(megabytes: float, learn: str = "all") -> TrainingArtefact:
    """The network with frozen statistics; a step of 256 has activations of about 100 MB."""
    images = [normal(1, 4, 16, 16) for _ in range(2)]
    request = TrainingRequest(learn, memory=MemoryLimit(megabytes, BATCH))
    return training_artefact(LearnSource(deep_network(), images), request)


def test_activations_are_computed_again_where_a_step_would_not_fit() -> None:
    plain = made(10_000).memory
    assert plain is not None
    assert (plain.segments, plain.kept) == (1, plain.activations)
    limited = made(0.85 * plain.megabytes)
    assert limited.memory is not None
    assert limited.memory.megabytes <= 0.85 * plain.megabytes
    assert limited.memory.segments > 1
    assert limited.memory.kept < limited.memory.activations
    assert limited.error.gradient < 1e-3


def test_a_limit_that_no_step_fits_names_the_least() -> None:
    with pytest.raises(DoesNotFit, match="smaller --learn-batch") as failure:
        made(1, "head")
    least = re.search(r"at least (\d+) MB", str(failure.value))
    assert least is not None
    assert int(least[1]) > 1
