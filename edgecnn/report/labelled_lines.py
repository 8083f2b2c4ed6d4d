"""Lines of a label and a value, the values one below another."""

from __future__ import annotations

from collections.abc import Iterable

from edgecnn.console import echo_line


def print_labelled(lines: Iterable[tuple[str, str]], width: int) -> None:
    """One line each on stdout.

    Args:
        width: of the column of labels, in characters.
    """
    for label, value in lines:
        echo_line(f"{label:<{width}}{value}")
