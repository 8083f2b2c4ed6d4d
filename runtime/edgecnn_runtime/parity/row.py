"""A row of the parity table: verification result of one artefact on one engine, with its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgecnn_runtime.engines.engine_id import EngineId, engine_fields, engine_from_fields
from edgecnn_runtime.manifest import ChannelGroup, ProofKind
from edgecnn_runtime.parity.difference import Difference
from edgecnn_runtime.parity.group_difference import GroupDifference
from edgecnn_runtime.parity.training_step import StepError
from edgecnn_runtime.parity.verdict import ParityVerdict


@dataclass(frozen=True)
class Parity:
    """Verification result of one artefact on one engine.

    Attributes:
        subject: path of the artefact or training graph, or "preprocessing", "labels" or
            "provenance".
        engine: without a version where it did not run; None for what no engine runs.
        note: the tolerance that the verdict rests on, or why nothing was run.
        steps: the largest error in integer steps, where the artefact's outputs are integers.
        proof: kind of proof that the row is; None for what no engine runs.
        learning: error of a training graph's first step; None of what is no training graph.
    """

    subject: str
    engine: EngineId | None
    precision: str
    verdict: ParityVerdict
    difference: Difference | None
    note: str
    steps: float | None = None
    proof: ProofKind | None = None
    learning: StepError | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON values: ``engine`` is the engine's label, ``engine_id`` its parts."""
        return asdict(self) | engine_fields(self.engine)


def parity_from_json(fields: Mapping[str, Any]) -> Parity:
    """The row that `Parity.to_json` wrote.

    Raises:
        TypeError, KeyError: `fields` is not such a row.
    """
    difference = fields["difference"]
    if difference is not None:
        difference = difference_from_json(difference)
    learning = fields.get("learning")
    learning = None if learning is None else StepError(**learning)
    others = {key: value for key, value in fields.items() if key != "engine_id"}
    return Parity(
        **{
            **others,
            "engine": engine_from_fields(fields),
            "difference": difference,
            "learning": learning,
        }
    )


def difference_from_json(fields: Mapping[str, Any]) -> Difference:
    """The difference of a row's JSON."""
    lists = {
        "top1_interval": tuple(fields["top1_interval"]),
        "groups": tuple(_group(each) for each in fields.get("groups", ())),
    }
    return Difference(**{**fields, **lists})


def _group(fields: Mapping[str, Any]) -> GroupDifference:
    group = fields["group"]
    channels = tuple((int(low), int(high)) for low, high in group["channels"])
    return GroupDifference(**{**fields, "group": ChannelGroup(**{**group, "channels": channels})})
