"""JSON document of ``edgecnn bench`` on emulated boards: answers and instruction counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgecnn.bench.emulated import Likeness, Proved, ProvedRow
from edgecnn.bench.estimated import Estimate
from edgecnn.devices.emulated.instructions import Instructions
from edgecnn.documents.estimates import EstimateFields, estimate_fields
from edgecnn.documents.parity import ParityFields, label_of, parity_fields
from edgecnn_runtime.engines.engine_id import EngineId
from edgecnn_runtime.measure.job import Subject
from edgecnn_runtime.parity.difference import Difference


@dataclass(frozen=True)
class LikenessFields:
    """Agreement of the board's outputs with those of the same engine on this machine.

    Attributes:
        engine: name and version of the engine on this machine; empty where none ran.
        is_identical: every byte of every output is the same.
        difference: from the outputs here; null where there are none to compare with.
        steps: the largest difference in integer steps, where the outputs are integers.
        note: why nothing was compared, or that the versions differ.
        engine_id: the parts of `engine`.
    """

    engine: str
    is_identical: bool
    difference: Difference | None
    steps: float | None
    note: str
    engine_id: EngineId | None


@dataclass(frozen=True)
class EmulatedRow:
    """One artefact on one engine of an emulated board.

    Attributes:
        subject: what was run.
        parity: compared with the original network.
        likeness: compared with this machine.
        instructions: of one inference or step; null where they were not counted.
        peak_memory_bytes: most memory of the program until its first result; null where it was not
            counted.
    """

    subject: Subject
    parity: ParityFields
    likeness: LikenessFields
    instructions: Instructions | None
    peak_memory_bytes: int | None


@dataclass(frozen=True)
class EmulatedDevice:
    """Results of one emulated board.

    Attributes:
        device: its name.
        words: description of the board.
        rows: artefacts on engines.
        uncounted: why there are neither instructions nor memory; empty where there are.
    """

    device: str
    words: str
    rows: tuple[EmulatedRow, ...]
    uncounted: str


@dataclass(frozen=True)
class EmulatedDocument:
    """Answers and instruction counts of a bundle's artefacts on emulated boards.

    Attributes:
        devices: one entry a board.
        estimated: estimates of compile targets, such as ethos-u55-128.
    """

    devices: tuple[EmulatedDevice, ...]
    estimated: tuple[EstimateFields, ...]


def emulated_document(
    proofs: Sequence[Proved], estimates: Sequence[Estimate] = ()
) -> EmulatedDocument:
    """The document of a proof on emulated boards."""
    devices = [
        EmulatedDevice(one.device, one.words, tuple(map(_row, one.rows)), one.uncounted)
        for one in proofs
    ]
    return EmulatedDocument(tuple(devices), tuple(map(estimate_fields, estimates)))


def _row(row: ProvedRow) -> EmulatedRow:
    return EmulatedRow(
        subject=row.subject,
        parity=parity_fields(row.parity),
        likeness=_likeness(row.likeness),
        instructions=row.instructions,
        peak_memory_bytes=row.peak_memory_bytes,
    )


def _likeness(likeness: Likeness) -> LikenessFields:
    return LikenessFields(
        engine=label_of(likeness.engine),
        is_identical=likeness.is_identical,
        difference=likeness.difference,
        steps=likeness.steps,
        note=likeness.note,
        engine_id=likeness.engine,
    )
