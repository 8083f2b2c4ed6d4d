"""The operators of docs/learning.md, held against the table of gradient rules."""

from __future__ import annotations

import learning_page


def test_the_page_lists_the_operators_of_the_table() -> None:
    text = learning_page.PAGE.read_text(encoding="utf-8")
    assert text == learning_page.page(text), "python tests/learning_page.py writes them anew"
