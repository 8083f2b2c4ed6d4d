"""Result of ``edgecnn bundle extract``: files that were written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.bundles.extract import Extracted, extract
from edgecnn.results.result import Result

if TYPE_CHECKING:
    from edgecnn.report.blocks import Block


@dataclass(frozen=True)
class ExtractResult(Result):
    """Artefacts that were extracted from a bundle."""

    SCHEMA = "edgecnn.bundle-extract/1"

    extracted: Extracted

    def blocks(self) -> Sequence[Block]:
        """One row a file, and what to read first."""
        from edgecnn.report.bundle_tables import extracted_blocks

        return extracted_blocks(self.extracted)

    def document(self) -> Extracted:
        """What was extracted."""
        return self.extracted

    def rows(self) -> list[dict[str, Any]]:
        """One row a file."""
        return [{"file": name, "size_bytes": size} for name, size in self.extracted.files.items()]


def extract_bundle(
    bundle: Path, folder: Path, artefact: str | None = None, *, force: bool = False
) -> ExtractResult:
    """Extract an artefact, or all; errors and arguments are those of `edgecnn.bundles.extract`."""
    return ExtractResult(extract(bundle, folder, artefact, force=force))
