"""Names in a plot: literal text, without matplotlib's mathematics."""

from __future__ import annotations

from edgecnn_runtime.printable import printable

# Characters: a longer name leaves no room for the plot.
LONGEST = 100


def literal(text: str) -> str:
    """The text as matplotlib draws it letter by letter: ``$`` begins no formula."""
    return printable(text, LONGEST).replace("$", r"\$")
