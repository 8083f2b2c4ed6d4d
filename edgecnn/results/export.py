"""`edgecnn export`: a network to a verified bundle, its plan, and the results."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from edgecnn.results.result import Result

if TYPE_CHECKING:
    from edgecnn.documents.export import ExportDocument
    from edgecnn.documents.plan import PlanDocument
    from edgecnn.exporting.plan import ExportPlan
    from edgecnn.exporting.speed import Speed
    from edgecnn.report.blocks import Block
    from edgecnn_exporters.exported import Exported


@dataclass(frozen=True)
class ExportResult(Result):
    """Result of ``edgecnn export``.

    Attributes:
        exported: the bundle, the difference, the quantised network, the targets.
        notes: assumptions, and what of the network was changed for its export.
        speed: int8 against fp32; None where it was not measured.
        seconds: of the whole export.
    """

    SCHEMA: ClassVar[str] = "edgecnn.export/1"

    exported: Exported
    notes: tuple[str, ...]
    speed: Speed | None
    seconds: float

    def blocks(self) -> list[Block]:
        from edgecnn.report.exported import exported_blocks

        return exported_blocks(self.exported, self.speed, self.seconds)

    def document(self) -> ExportDocument:
        from edgecnn.documents.export import export_document

        return export_document(self.exported, self.notes, self.speed)

    def rows(self) -> list[dict[str, Any]]:
        """One row an artefact of the bundle."""
        return [
            {
                "artefact": one.path,
                "format": one.format,
                "precision": one.precision,
                "proof": one.proof,
                "target": one.target,
                "is_weak": one.is_weak,
            }
            for one in self.exported.manifest.artefacts
        ]


@dataclass(frozen=True)
class ExportPlanResult(Result):
    """Result of ``edgecnn export --dry-run``: the plan in words."""

    SCHEMA: ClassVar[str] = "edgecnn.plan/1"

    plan: ExportPlan

    def blocks(self) -> list[Block]:
        from edgecnn.exporting.plan_words import plan_words
        from edgecnn.report.blocks import Labelled

        return [Labelled(tuple(plan_words(self.plan).items()), 12)]

    def document(self) -> PlanDocument:
        from edgecnn.documents.plan import PlanDocument
        from edgecnn.exporting.plan_words import plan_words

        return PlanDocument(**plan_words(self.plan))

    def rows(self) -> list[dict[str, Any]]:
        from edgecnn.exporting.plan_words import plan_words

        return [{"stage": name, "plan": words} for name, words in plan_words(self.plan).items()]


def export_network(planned: ExportPlan, *, is_measured: bool, quiet: bool = True) -> ExportResult:
    """Carry out the plan of an export: capture, optimise, quantise, translate, verify, pack.

    Args:
        is_measured: measure whether int8 is faster on this machine, a few seconds.
        quiet: show no progress on stderr.

    Raises:
        EdgeCNNError: as `edgecnn.exporting.run.run` and `measure_speed` say.
    """
    from edgecnn.evaluate.chance import chance_of_export
    from edgecnn.exporting.run import LOAD, run
    from edgecnn.progress_bar import stages
    from edgecnn_exporters.exported import STAGES

    began = time.perf_counter()
    with stages((LOAD, *STAGES), quiet=quiet) as progress:
        exported, notes = run(planned, progress)
    own = exported.quantised.notes if exported.quantised is not None else ()
    speed = _measure_speed(exported, quiet=quiet) if is_measured else None
    chance = chance_of_export(exported.manifest)
    every = (*notes, *own, *([] if chance is None else [chance]))
    return ExportResult(exported, every, speed, time.perf_counter() - began)


def _measure_speed(exported: Exported, *, quiet: bool) -> Speed | None:
    """int8 against fp32; None where there is no int8."""
    if exported.quantised is None:
        return None
    from edgecnn.exporting.speed import measure_speed
    from edgecnn.progress_bar import bar

    with bar("measure", quiet=quiet) as progress:
        return measure_speed(exported.path, exported.quantised, progress)
