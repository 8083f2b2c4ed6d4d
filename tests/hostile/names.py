"""Names that are made to act on a terminal, in a script or on a page."""

from __future__ import annotations

from hypothesis import strategies as st

FRAGMENTS = (
    "\x1b]0;pwned\x07",
    "\x1b[31m",
    "\x9b2J",
    "\r",
    "\n",
    "\x08\x08",
    "\x00",
    "\u202e",
    "\u2066",
    "\u2028",
    "\x85",
    "\ud800",
    "\udcff",
    "[/red]",
    "[/]",
    "[link=http://evil.example]cat[/link]",
    ":smile:",
    '"""\nopen("INJECTED", "w")\n"""',
    "'''",
    "{0}",
    "%s",
    "```\n# forged",
    "|",
    "`",
    "$x_$",
    "\\",
    "edgecnn: all is well",
)


def names() -> st.SearchStrategy[str]:
    """Any text, surrogates and control characters too, often of what does harm somewhere."""
    anything = st.text(st.characters(exclude_categories=()), max_size=6)
    parts = st.lists(st.sampled_from(FRAGMENTS) | anything, min_size=1, max_size=6)
    return parts.map("".join)


ACTIVE = "".join(map(chr, (*range(9), *range(11, 32), *range(127, 160)))) + (
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2028\u2029\u2066\u2067\u2068\u2069"
)


def acts(text: str) -> bool:
    """Whether a terminal would do something else than show the text line by line."""
    return any(character in ACTIVE or "\ud800" <= character <= "\udfff" for character in text)
