"""Width of text in a terminal, lines broken at blanks, words shortened in the middle."""

from __future__ import annotations

import re

ELLIPSIS = "…"
_UNITS = r"%|dB|ms|s|min|px|[kMG]?B|[kMG]Hz|°C"
_BREAK = re.compile(rf"(?<![≤≥])[ \t\n]+(?!(?<=\d )(?:{_UNITS})(?!\w))")


def width_of(text: str) -> int:
    """Columns of a terminal that the text takes: two for a Chinese character or an emoji."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def widest(texts: list[str]) -> int:
    """Width of the widest text; 0 without any."""
    return max(map(width_of, texts), default=0)


def words_of(text: str) -> list[str]:
    """Parts of the text between blanks; a figure and its unit are one: ``≥ 26.7 dB``, ``95 %``."""
    return [word for word in _BREAK.split(text) if word]


def wrap(text: str, width: int, indent: int = 0) -> list[str]:
    """The text in lines of at most `width` columns, broken at blanks only.

    A word that is wider stays whole, in a line of its own. Without words one empty line.

    Args:
        indent: blanks before every line but the first.
    """
    lines: list[str] = []
    for word in words_of(text):
        if lines and width_of(lines[-1]) + 1 + width_of(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(f"{' ' * indent if lines else ''}{word}")
    return lines or [""]


def shorten(word: str, width: int) -> str:
    """The word in `width` columns: its middle is replaced by an ellipsis where it is wider."""
    if width_of(word) <= width:
        return word
    before, after = "", ""
    # The end says more than the beginning: a file's name rather than its folder's.
    for at in range(len(word)):
        longer = word[-1 - at :]
        if width_of(longer) > width // 2:
            break
        after = longer
    room = width - width_of(ELLIPSIS) - width_of(after)
    for at in range(len(word)):
        longer = word[: at + 1]
        if width_of(longer) > room:
            break
        before = longer
    return f"{before}{ELLIPSIS}{after}"


def padded(text: str, width: int, *, is_right: bool = False) -> str:
    """The text with blanks beside it, to `width` columns."""
    blanks = " " * (width - width_of(text))
    return f"{blanks}{text}" if is_right else f"{text}{blanks}"
