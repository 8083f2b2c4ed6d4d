"""Result of `edgecnn doctor`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from edgecnn.exit_codes import FAILED, OK
from edgecnn.results.result import Result

if TYPE_CHECKING:
    from edgecnn.documents.doctor import DoctorDocument
    from edgecnn.report.blocks import Block


@dataclass(frozen=True)
class DoctorResult(Result):
    """Result of ``edgecnn doctor``.

    Attributes:
        findings: the document: checks, and facts of the machine.
        summary: the machine in a few lines.
        can_work: nothing that is needed is missing.
        conclusion: a line below the table; empty for none.
    """

    SCHEMA: ClassVar[str] = "edgecnn.doctor/1"

    findings: DoctorDocument
    summary: tuple[str, ...]
    can_work: bool
    conclusion: str = ""

    @property
    def exit_code(self) -> int:
        """0: nothing that is needed is missing. 1: something is."""
        return OK if self.can_work else FAILED

    def blocks(self) -> list[Block]:
        from edgecnn.report.doctor_table import check_blocks

        below = ["", self.conclusion] if self.conclusion else []
        return [*self.summary, "", *check_blocks(self.findings.checks), *below]

    def document(self) -> DoctorDocument:
        return self.findings

    def rows(self) -> list[dict[str, Any]]:
        return [asdict(one) for one in self.findings.checks]
