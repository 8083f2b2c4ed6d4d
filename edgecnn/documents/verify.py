"""JSON documents of ``edgecnn verify`` and ``edgecnn verify --preprocess``."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.documents.parity import ParityFields
from edgecnn.verify.diagnose import RowDiagnosis
from edgecnn.verify.held_out import HeldOutComparison
from edgecnn.verify.preprocess.certify import WayCost


@dataclass(frozen=True)
class DiagnosisFields:
    """The first node that is wrong by itself, and its cause.

    Attributes:
        node: its name; for preprocessing, that of the network's input.
        operator: its type.
        suspect: the runtime and the precision of the artefact, in words.
        cause: name of the cause.
        sentence: the error, in terms of the node.
        remedy: the change that would correct it.
        is_confirmed: the node is right after this one change.
        isolated: ratio of its error, on the reference's inputs, to the allowed one; null where its
            output has another shape or is not finite.
        after: the same after the change; null where no change corrects it.
        allowance: where the allowed error comes from.
        also: other causes that were confirmed.
        reference: path of the artefact that this one was compared with; empty where it is none.
    """

    node: str
    operator: str
    suspect: str
    cause: str
    sentence: str
    remedy: str
    is_confirmed: bool
    isolated: float | None
    after: float | None
    allowance: str
    also: tuple[str, ...]
    reference: str


@dataclass(frozen=True)
class Finding:
    """Result of the search for the cause of one row that differs.

    Attributes:
        subject: path of the artefact, or "preprocessing" or "labels".
        diagnosis: the cause; null where none was found.
        reason: why there is none.
        folder: of the reproduction, where ``--reproduce`` asked for one.
    """

    subject: str
    diagnosis: DiagnosisFields | None
    reason: str
    folder: str | None


@dataclass(frozen=True)
class VerifyDocument:
    """Digests and parity of a bundle's artefacts on the engines of this machine.

    Attributes:
        bundle: path as it was given.
        against: file of ``--against`` that the rows are of; null for the bundle's own artefacts.
        files: number of files in the bundle, whose digests were checked.
        rows: artefacts on engines, and preprocessing and labels; then what was compiled for NPUs
            and microcontrollers.
        findings: causes of the rows that differ.
        pictures: comparison on the images of ``--data``; null without it.
    """

    bundle: str
    against: str | None
    files: int
    rows: tuple[ParityFields, ...]
    findings: tuple[Finding, ...]
    pictures: HeldOutComparison | None


@dataclass(frozen=True)
class VerifyPreprocessDocument:
    """Cost of preparing images in other ways than the bundle's own preprocessing.

    Attributes:
        bundle: path as it was given.
        artefact: the artefact that ran, and its engine, in words.
        data: name of the images.
        pictures: number of the images.
        rows: the ways to prepare an image.
    """

    bundle: str
    artefact: str
    data: str
    pictures: int
    rows: tuple[WayCost, ...]


def finding_of(found: RowDiagnosis) -> Finding:
    """The diagnosis of a row as a document has it."""
    diagnosis = found.diagnosis
    return Finding(
        subject=found.subject,
        diagnosis=None if diagnosis is None else DiagnosisFields(**diagnosis.to_json()),
        reason=found.reason,
        folder=None if found.folder is None else str(found.folder),
    )
