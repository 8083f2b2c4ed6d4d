"""`edgecnn bench --profile`: where the time of a run goes, operator by operator; its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from edgecnn.bench.profiled import Profiled
from edgecnn.exit_codes import FAILED, OK
from edgecnn.results.result import Result

if TYPE_CHECKING:
    from edgecnn.report.blocks import Block


@dataclass(frozen=True)
class ProfileDocument:
    """Times of the operators of a bundle's artefacts, as their engines execute them.

    Attributes:
        devices: one entry a device, each with a row for every artefact on every engine.
    """

    devices: tuple[Profiled, ...]


@dataclass(frozen=True)
class ProfilingResult(Result):
    """Result of ``edgecnn bench --profile``."""

    SCHEMA: ClassVar[str] = "edgecnn.bench-profile/1"

    devices: tuple[Profiled, ...]

    @property
    def exit_code(self) -> int:
        """0: an engine told its times. 1: none did."""
        return OK if any(row.stages for one in self.devices for row in one.rows) else FAILED

    def blocks(self) -> list[Block]:
        from edgecnn.report.profile_tables import profile_blocks

        return profile_blocks(self.devices)

    def document(self) -> ProfileDocument:
        return ProfileDocument(self.devices)

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "device": one.device,
                "artefact": row.artefact,
                "engine": row.engine.label,
                "threads": row.threads,
                "stage": stage.name,
                "kind": stage.kind,
                "ms": stage.ms,
            }
            for one in self.devices
            for row in one.rows
            for stage in row.stages
        ]
