"""Parity rows and engines as fields of a JSON document."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn_runtime.engines.engine_id import EngineId
from edgecnn_runtime.manifest import ProofKind
from edgecnn_runtime.parity.difference import Difference
from edgecnn_runtime.parity.row import Parity
from edgecnn_runtime.parity.training_step import StepError
from edgecnn_runtime.parity.verdict import ParityVerdict


@dataclass(frozen=True)
class ParityFields:
    """One artefact on one engine, compared with the original network on the golden examples.

    Attributes:
        subject: path of the artefact or training graph, or "preprocessing", "labels" or
            "provenance".
        engine: name and version; empty for what no engine runs.
        precision: of the artefact, such as "int8".
        verdict: "weak" answers as where it was made, and lost more there than int8 should.
        difference: from the original network's outputs; null where nothing was compared.
        note: the tolerance that the verdict rests on, or why nothing was run.
        steps: the largest error in integer steps, where the artefact's outputs are integers.
        proof: kind of proof that the row is; null for what no engine runs.
        learning: error of a training graph's first step; null of what is no training graph.
        engine_id: the parts of `engine`; null where it is empty.
    """

    subject: str
    engine: str
    precision: str
    verdict: ParityVerdict
    difference: Difference | None
    note: str
    steps: float | None
    proof: ProofKind | None
    learning: StepError | None
    engine_id: EngineId | None


def parity_fields(row: Parity) -> ParityFields:
    """The row as a document has it."""
    return ParityFields(
        subject=row.subject,
        engine=label_of(row.engine),
        precision=row.precision,
        verdict=row.verdict,
        difference=row.difference,
        note=row.note,
        steps=row.steps,
        proof=row.proof,
        learning=row.learning,
        engine_id=row.engine,
    )


def label_of(engine: EngineId | None) -> str:
    """The field ``engine``: name and version, empty where there is none."""
    return "" if engine is None else engine.label
