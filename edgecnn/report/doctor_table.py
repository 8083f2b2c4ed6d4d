"""The table of ``edgecnn doctor``: each check, its value, and how to fix it."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.console import coloured, stdout, table
from edgecnn.devices.checks import Check


def print_checks(checks: Sequence[Check]) -> None:
    """The table, on stdout."""
    shown = table(("", "what", "found", "how to fix it"))
    for one in checks:
        bad = coloured("✗", "red") if one.needed else coloured("!", "yellow")
        mark = coloured("✓", "green") if one.ok else bad
        shown.add_row(mark, one.what, one.found, one.mend)
    stdout().print(shown)
