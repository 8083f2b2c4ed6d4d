"""Result of `edgecnn verify`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from edgecnn.exit_codes import DIFFERS, FAILED, OK
from edgecnn.results.result import Result, difference_columns
from edgecnn_runtime.parity.verdict import ANSWERS_AS_MADE, WRONG

if TYPE_CHECKING:
    from edgecnn.documents.verify import VerifyDocument
    from edgecnn.report.blocks import Block
    from edgecnn.verify.diagnose import RowDiagnosis
    from edgecnn.verify.held_out import HeldOutComparison
    from edgecnn_runtime.parity.row import Parity


@dataclass(frozen=True)
class VerifyResult(Result):
    """Result of ``edgecnn verify``.

    Attributes:
        bundle: path as it was given.
        files: number of files in the bundle, whose digests were checked.
        parity: artefacts on engines, and preprocessing and labels.
        compiled: what was compiled for NPUs and microcontrollers.
        findings: causes of what differs.
        pictures: comparison on images of the user's; None without `VerifyOptions.data`.
        beside: file of golden examples beside the bundle, by name; None where there is none.
        against: what was compared with the golden answers; None for the bundle's own artefacts.
        unproven: why no answer can be verified; None where the bundle has golden examples.
        unlike: what it means that no answer of `against` resembles the bundle's.
    """

    SCHEMA: ClassVar[str] = "edgecnn.verify/1"

    bundle: str
    files: int
    parity: tuple[Parity, ...]
    compiled: tuple[Parity, ...] = ()
    findings: tuple[RowDiagnosis, ...] = ()
    pictures: HeldOutComparison | None = None
    beside: str | None = None
    against: str | None = None
    unproven: str | None = None
    unlike: str | None = None

    @property
    def complaints(self) -> tuple[str, ...]:
        """Sentences for stderr on what the rows mean."""
        return tuple(each for each in (self.unproven, self.unlike) if each is not None)

    @property
    def is_equal(self) -> bool:
        """Whether something ran, and all that ran answers as the original network does."""
        return self.exit_code == OK

    @property
    def exit_code(self) -> int:
        """0: all that ran is equal. 3: something differs, or crashed. 1: nothing ran."""
        if any(row.verdict in WRONG for row in (*self.parity, *self.compiled)):
            return DIFFERS
        answered = (row for row in self.parity if row.engine and row.learning is None)
        ran = any(row.verdict in ANSWERS_AS_MADE for row in answered)
        return OK if ran else FAILED

    def blocks(self) -> list[Block]:
        return [*self.parity_blocks(), *self.finding_blocks()]

    def parity_blocks(self) -> list[Block]:
        """Tables of the rows: known before causes are searched for, which may take long."""
        from edgecnn.report.verify_tables import compiled_parity_blocks, parity_blocks

        compiled = compiled_parity_blocks(self.compiled) if self.compiled else []
        return [*parity_blocks(self.parity, self.beside), *compiled]

    def finding_blocks(self) -> list[Block]:
        """Causes, and the comparison on images of the user's."""
        from edgecnn.report.verify_tables import finding_blocks, held_out_blocks

        causes = finding_blocks(self.findings)
        return [*causes, *([] if self.pictures is None else held_out_blocks(self.pictures))]

    def document(self) -> VerifyDocument:
        from edgecnn.documents.parity import parity_fields
        from edgecnn.documents.verify import VerifyDocument, finding_of

        return VerifyDocument(
            bundle=self.bundle,
            against=self.against,
            files=self.files,
            rows=tuple(parity_fields(row) for row in (*self.parity, *self.compiled)),
            findings=tuple(map(finding_of, self.findings)),
            pictures=self.pictures,
        )

    def rows(self) -> list[dict[str, Any]]:
        return [_flat(row) for row in (*self.parity, *self.compiled)]


def _flat(row: Parity) -> dict[str, Any]:
    difference = row.difference
    return {
        "subject": row.subject,
        "engine": None if row.engine is None else row.engine.words(),
        "precision": row.precision,
        "verdict": row.verdict,
        "proof": row.proof,
        "relative": None if difference is None else difference.relative,
        **difference_columns(difference),
        "n": None if difference is None else difference.n,
        "gradient_error": None if row.learning is None else row.learning.gradient,
        "note": row.note,
    }
