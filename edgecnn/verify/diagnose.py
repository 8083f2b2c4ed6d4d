"""Diagnosis of one row of `edgecnn verify` that differs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn_runtime.errors import EdgeCNNError, first_line
from edgecnn_runtime.parity.contents import LABELS, PREPROCESSING, PROVENANCE
from edgecnn_runtime.parity.row import Parity
from edgecnn_runtime.parity.verdict import ANSWERS_AS_MADE
from edgecnn_runtime.printable import printable

if TYPE_CHECKING:
    from edgecnn_exporters.diagnose.bundles.references import References
    from edgecnn_exporters.diagnose.diagnosis import Diagnosis


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
            return printable(f"{self.subject}: {self.reason}")
        from edgecnn_exporters.diagnose.printable import printable_diagnosis

        words = printable_diagnosis(self.diagnosis).words()
        text = f"{printable(self.subject)}, {words}"
        if self.folder is not None:
            folder = printable(shlex.quote(str(self.folder)))
            return f"{text}\n  to run the node alone: cd {folder} && python reproduce.py"
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


@dataclass(frozen=True)
class Subject:
    """A row that differs.

    Attributes:
        name: path of the artefact, or "preprocessing" or "labels".
        ran: it gave answers that can be compared.
    """

    name: str
    ran: bool


def subjects_of(rows: Sequence[Parity]) -> list[Subject]:
    """Each subject whose rows differ, once; of the provenance the row says all."""
    wrong = [row for row in rows if row.verdict == "differs" and row.subject != PROVENANCE]
    ran = {row.subject for row in wrong if row.difference is not None}
    return [Subject(name, name in ran) for name in dict.fromkeys(row.subject for row in wrong)]


def known_answers(rows: Sequence[Parity]) -> dict[str, bool]:
    """Whether each artefact answered the golden inputs, on one engine at least."""
    known: dict[str, bool] = {}
    for row in rows:
        if row.engine is not None and row.verdict != "skipped":
            known[row.subject] = known.get(row.subject, False) or row.verdict in ANSWERS_AS_MADE
    return known


def find_cause(
    references: References, subject: Subject, reproduce: Path | None
) -> RowDiagnosis | None:
    """The cause of one row; None for an artefact that does not run, whose row has the reason.

    Raises:
        OutputNotWritable: the folder `reproduce` cannot be written.
    """
    name = subject.name
    try:
        diagnosis = _diagnose(references, subject)
    except EdgeCNNError as error:
        return RowDiagnosis(name, None, f"no cause was found: {error}") if subject.ran else None
    except Exception as error:  # a fault of the search, or of an engine in it, is no other row's
        kind = type(error).__name__
        reason = f"no cause was found: the search failed with {kind}: {first_line(error)}"
        return RowDiagnosis(name, None, reason)
    if diagnosis is None:
        return RowDiagnosis(name, None, _no_culprit(references)) if subject.ran else None
    return RowDiagnosis(name, diagnosis, folder=_reproduce(diagnosis, name, reproduce))


def _diagnose(references: References, subject: Subject) -> Diagnosis | None:
    from edgecnn_exporters.diagnose.bundle_diagnosis import (
        diagnose_artefact,
        diagnose_bundle_preprocessing,
        diagnose_labels,
    )
    from edgecnn_exporters.diagnose.bundles.entry import diagnose_entry

    bundle = references.bundle
    if subject.name == PREPROCESSING:
        return diagnose_bundle_preprocessing(bundle)
    if subject.name == LABELS:
        return diagnose_labels(bundle)
    artefact = next(each for each in bundle.manifest.artefacts if each.path == subject.name)
    if not subject.ran:
        return diagnose_entry(bundle, artefact)
    return diagnose_artefact(bundle, artefact, references)


def _no_culprit(references: References) -> str:
    if any(map(references.is_sound, references.bundle.manifest.artefacts)):
        return "every node is computed as in the artefacts that answer the golden inputs"
    return (
        "no artefact answers the golden inputs, and no node differs from model.onnx: that graph or "
        "the golden answers come from another network; export it again"
    )


def _reproduce(diagnosis: Diagnosis, subject: str, reproduce: Path | None) -> Path | None:
    if reproduce is None:
        return None
    from edgecnn_exporters.diagnose.reproduce import write_reproduction

    folder = reproduce / subject
    return folder if write_reproduction(diagnosis, folder) else None
