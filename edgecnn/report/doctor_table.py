"""The table of ``edgecnn doctor``: each check, its value, and how to fix it."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.console import stdout, table
from edgecnn.devices.checks import Check


def print_checks(checks: Sequence[Check]) -> None:
    """The table, on stdout."""
    from rich.markup import escape

    shown = table(("", "what", "found", "how to fix it"))
    for one in checks:
        mark = "[green]✓[/]" if one.ok else "[red]✗[/]" if one.needed else "[yellow]![/]"
        shown.add_row(mark, one.what, escape(one.found), escape(one.mend))
    stdout().print(shown)
