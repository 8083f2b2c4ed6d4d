"""The table of ``edgecnn doctor``: each check, its value, and how to fix it."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.console import coloured, table
from edgecnn.devices.checks import Check
from edgecnn.report.blocks import Block


def check_blocks(checks: Sequence[Check]) -> list[Block]:
    """One row a check."""
    shown = table(
        ("", "what", "found", "how to fix it"), drop=("how to fix it",), below=("how to fix it",)
    )
    for one in checks:
        bad = coloured("✗", "red") if one.needed else coloured("!", "yellow")
        mark = coloured("✓", "green") if one.ok else bad
        shown.add_row(mark, one.what, one.found, one.mend)
    return [shown]
