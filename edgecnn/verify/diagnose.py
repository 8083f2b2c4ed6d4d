"""Diagnosis of the rows of `edgecnn verify` that differ."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.errors import EdgeCNNError
from edgecnn_runtime.parity.row import Parity
from edgecnn_runtime.printable import printable

if TYPE_CHECKING:
    from edgecnn_exporters.diagnose.diagnosis import Diagnosis


@dataclass(frozen=True)
class RowDiagnosis:
    """Result of the search for the cause of one row.

    Attributes:
        subject: path of the artefact, or "preprocessing".
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


def find_causes(
    bundle: Bundle, rows: Sequence[Parity], reproduce: Path | None
) -> list[RowDiagnosis]:
    """Find the cause of every row that differs, once for each artefact.

    An artefact that does not run has no answers to compare: its row has the reason.

    Args:
        reproduce: folder to write each cause to, as one node, its inputs and a script, or None.

    Raises:
        OutputNotWritable: the folder cannot be written.
    """
    wrong = [row for row in rows if row.verdict == "differs" and row.difference is not None]
    subjects = dict.fromkeys(row.subject for row in wrong)
    return [_find_cause(bundle, subject, reproduce) for subject in subjects]


def _find_cause(bundle: Bundle, subject: str, reproduce: Path | None) -> RowDiagnosis:
    try:
        from edgecnn_exporters.diagnose.bundle_diagnosis import (
            diagnose_artefact,
            diagnose_bundle_preprocessing,
        )
    except ModuleNotFoundError as error:
        missing = f"the cause cannot be searched for: {error.name} is not installed; "
        return RowDiagnosis(subject, None, f"{missing}pip install 'edgecnn[export]'")
    artefacts = {each.path: each for each in bundle.manifest.artefacts}
    try:
        if subject in artefacts:
            diagnosis = diagnose_artefact(bundle, artefacts[subject])
        else:
            diagnosis = diagnose_bundle_preprocessing(bundle)
    except EdgeCNNError as error:
        return RowDiagnosis(subject, None, f"no cause was found: {error}")
    if diagnosis is None:
        reason = "every node is computed correctly; the golden answers come from another network"
        return RowDiagnosis(subject, None, reason)
    return RowDiagnosis(subject, diagnosis, folder=_reproduce(diagnosis, subject, reproduce))


def _reproduce(diagnosis: Diagnosis, subject: str, reproduce: Path | None) -> Path | None:
    if reproduce is None:
        return None
    from edgecnn_exporters.diagnose.reproduce import write_reproduction

    folder = reproduce / subject
    return folder if write_reproduction(diagnosis, folder) else None
