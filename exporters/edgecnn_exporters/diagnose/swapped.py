"""Diagnosis of a float artefact by a sound one in 8 bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edgecnn_exporters.diagnose.compare import RegionComparison
from edgecnn_exporters.diagnose.diagnose import name_cause
from edgecnn_exporters.diagnose.diagnosis import Diagnosis
from edgecnn_exporters.diagnose.parametrisation import reparametrise
from edgecnn_exporters.diagnose.search import first_culprit
from edgecnn_exporters.diagnose.sources import Candidate, OnnxCandidate
from edgecnn_runtime.arrays import Array


def diagnose_reference(
    broken: Candidate, sound: Candidate, feeds: Mapping[str, Array]
) -> Diagnosis | None:
    """The first node where a float artefact and a sound one in 8 bits differ; None if none does.

    They are compared as always, with what 8 bits may lose, and then change places: the node is
    wrong in the float artefact, for the other one answers the golden inputs.
    """
    graph = reparametrise(broken.content, sound.content)
    culprit = first_culprit(graph, sound, feeds)
    if culprit is None:
        return None
    comparison, name = culprit
    suspect = OnnxCandidate(graph, broken.precision)
    suspect.name = broken.name
    found = name_cause(_swap(comparison), name, suspect, broken.content)
    return replace(found, candidate=f"{broken.name} ({broken.precision})")


def _swap(comparison: RegionComparison) -> RegionComparison:
    """The comparison with the sound network as the reference."""
    return replace(
        comparison,
        reference=comparison.candidate,
        candidate=comparison.reference,
        values=comparison.given,
        expected=comparison.actual,
        actual=comparison.expected,
    )
