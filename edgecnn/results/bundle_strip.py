"""Result of ``edgecnn bundle strip``: what was left out, and how much smaller the bundle is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.bundles.strip import StripOptions, Stripped, strip
from edgecnn.results.result import Result

if TYPE_CHECKING:
    from edgecnn.report.blocks import Block


@dataclass(frozen=True)
class StripResult(Result):
    """A bundle with less in it."""

    SCHEMA = "edgecnn.bundle-strip/1"

    stripped: Stripped

    def blocks(self) -> Sequence[Block]:
        """Sizes, what was left out, and what can still be proven."""
        from edgecnn.report.bundle_tables import stripped_blocks

        return stripped_blocks(self.stripped)

    def document(self) -> Stripped:
        """What was left out."""
        return self.stripped

    def rows(self) -> list[dict[str, Any]]:
        """One row an artefact: whether it was kept."""
        stripped = self.stripped
        return [
            *({"artefact": path, "is_kept": True} for path in stripped.kept),
            *({"artefact": path, "is_kept": False} for path in stripped.left_out),
        ]


def strip_bundle(
    bundle: Path, output: Path | None, options: StripOptions | None = None
) -> StripResult:
    """Strip a bundle; errors and arguments are those of `edgecnn.bundles.strip`."""
    return StripResult(strip(bundle, output, options or StripOptions()))
