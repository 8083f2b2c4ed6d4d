"""Diagnosis of the rows of `edgecnn verify` that differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.errors import EdgeCNNError, first_line
from edgecnn_runtime.parity.contents import LABELS, PREPROCESSING, PROVENANCE
from edgecnn_runtime.parity.row import Parity
from edgecnn_runtime.parity.verdict import ANSWERS_AS_MADE

if TYPE_CHECKING:
    from edgecnn_exporters.diagnose.diagnosis import Diagnosis
    from edgecnn_exporters.diagnose.references import References


@dataclass(frozen=True)
class RowDiagnosis:
    """Result of the search for the cause of one row.

    Attributes:
        subject: path of the artefact, or "preprocessing" or "labels".
        diagnosis: None where there is none.
        reason: why there is none.
        folder: of the reproduction, where one was asked for.
    """

    subject: str
    diagnosis: Diagnosis | None
    reason: str = ""
    folder: Path | None = None

    def words(self) -> str:
        """The diagnosis as text."""
        if self.diagnosis is None:
            return f"{self.subject}: {self.reason}"
        text = f"{self.subject}, {self.diagnosis.words()}"
        if self.folder is not None:
            return f"{text}\n  to run the node alone: cd {self.folder} && python reproduce.py"
        return text

    def to_json(self) -> dict[str, Any]:
        """The diagnosis as JSON values."""
        diagnosis = None if self.diagnosis is None else self.diagnosis.to_json()
        folder = None if self.folder is None else str(self.folder)
        return {
            "subject": self.subject,
            "diagnosis": diagnosis,
            "reason": self.reason,
            "folder": folder,
        }


def find_causes(
    bundle: Bundle, rows: Sequence[Parity], reproduce: Path | None
) -> list[RowDiagnosis]:
    """Find the cause of every row that differs, once for each subject.

    Whatever goes wrong in a search is the reason of its row: the others are searched all the same.

    Args:
        reproduce: folder to write each cause to, as one node, its inputs and a script, or None.

    Raises:
        OutputNotWritable: the folder cannot be written.
    """
    wrong = [row for row in rows if row.verdict == "differs" and row.subject != PROVENANCE]
    ran = {row.subject for row in wrong if row.difference is not None}
    try:
        from edgecnn_exporters.diagnose.references import References
    except ModuleNotFoundError as error:
        missing = f"the cause cannot be searched for: {error.name} is not installed; "
        reason = f"{missing}pip install 'edgecnn[export]'"
        return [RowDiagnosis(subject, None, reason) for subject in sorted(ran)]
    references = References(bundle, _known(rows))
    found = [
        _find_cause(references, subject, subject in ran)
        for subject in dict.fromkeys(row.subject for row in wrong)
    ]
    return [
        replace(each, folder=_reproduce(each.diagnosis, each.subject, reproduce))
        for each in found
        if each is not None
    ]


def _known(rows: Sequence[Parity]) -> dict[str, bool]:
    """Whether each artefact answered the golden inputs, on one engine at least."""
    known: dict[str, bool] = {}
    for row in rows:
        if row.engine is not None and row.verdict != "skipped":
            known[row.subject] = known.get(row.subject, False) or row.verdict in ANSWERS_AS_MADE
    return known


def _find_cause(references: References, subject: str, ran: bool) -> RowDiagnosis | None:
    """The cause of one row; None for an artefact that does not run, whose row has the reason."""
    try:
        diagnosis = _diagnose(references, subject, ran)
    except EdgeCNNError as error:
        return RowDiagnosis(subject, None, f"no cause was found: {error}") if ran else None
    except Exception as error:  # a fault of the search, or of an engine in it, is no other row's
        kind = type(error).__name__
        reason = f"no cause was found: the search failed with {kind}: {first_line(error)}"
        return RowDiagnosis(subject, None, reason)
    if diagnosis is None:
        return RowDiagnosis(subject, None, _no_culprit(references)) if ran else None
    return RowDiagnosis(subject, diagnosis)


def _diagnose(references: References, subject: str, ran: bool) -> Diagnosis | None:
    from edgecnn_exporters.diagnose.bundle_diagnosis import (
        diagnose_artefact,
        diagnose_bundle_preprocessing,
        diagnose_labels,
    )
    from edgecnn_exporters.diagnose.manifest_diagnosis import diagnose_entry

    bundle = references.bundle
    if subject == PREPROCESSING:
        return diagnose_bundle_preprocessing(bundle)
    if subject == LABELS:
        return diagnose_labels(bundle)
    artefact = next(each for each in bundle.manifest.artefacts if each.path == subject)
    if not ran:
        return diagnose_entry(bundle, artefact)
    return diagnose_artefact(bundle, artefact, references)


def _no_culprit(references: References) -> str:
    if any(map(references.is_sound, references.bundle.manifest.artefacts)):
        return "every node is computed as in the artefacts that answer the golden inputs"
    return (
        "every node is computed as in model.onnx, and no artefact answers the golden inputs: the "
        "golden answers come from another network"
    )


def _reproduce(diagnosis: Diagnosis | None, subject: str, reproduce: Path | None) -> Path | None:
    if reproduce is None or diagnosis is None:
        return None
    from edgecnn_exporters.diagnose.reproduce import write_reproduction

    folder = reproduce / subject
    return folder if write_reproduction(diagnosis, folder) else None
