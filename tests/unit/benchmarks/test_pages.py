"""Tables of the pages in docs/, which are those that the kept lines of results give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from benchmarks.runtime import depthwise_page, inception_page
from benchmarks.training import compound_scaling, effective_field

DOCS = Path(__file__).parents[3] / "docs"
Tables = Callable[[], Sequence[Sequence[str]]]
PAGES: dict[str, Tables] = {
    "compound-scaling.md": lambda: [compound_scaling.table(compound_scaling.kept())],
    "depthwise-separable.md": lambda: depthwise_page.tables(depthwise_page.measured()),
    "inception-reductions.md": lambda: inception_page.tables(inception_page.measured()),
    "receptive-field.md": lambda: [effective_field.table(effective_field.newest())],
}


@pytest.mark.parametrize("page", PAGES)
def test_the_tables_of_a_page_are_those_of_the_results(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    for table in PAGES[page]():
        assert "\n".join(table) in text
