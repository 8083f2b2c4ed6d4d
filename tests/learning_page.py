"""Operators of docs/learning.md, written from `edgecnn_exporters.gradient.table`.

``python tests/learning_page.py`` writes them anew, between the marks of the page.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edgecnn_exporters.gradient.table import CONSTANT, REFUSED, RULES

PAGE = Path(__file__).parents[1] / "docs/learning.md"
BEGIN, END = "<!-- operators -->\n", "<!-- end of operators -->\n"


def operators() -> str:
    """The part of the page between its marks."""
    rows = [f"| {names(each)} | {reason} |" for reason, each in by_reason().items()]
    return "\n".join(
        (
            "| operators | gradient |",
            "|---|---|",
            f"| {names(RULES)} | differentiated |",
            f"| {names(CONSTANT)} | zero everywhere: nothing is learnt through them |",
            *rows,
            "",
        )
    )


def by_reason() -> dict[str, list[str]]:
    """The refused operators, by the reason."""
    reasons: dict[str, list[str]] = {}
    for name, reason in REFUSED.items():
        reasons.setdefault(f"refused: {reason}", []).append(name)
    return reasons


def names(operators: Iterable[str]) -> str:
    return ", ".join(sorted(operators))


def page(text: str) -> str:
    """The page with its operators written anew."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}{operators()}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
