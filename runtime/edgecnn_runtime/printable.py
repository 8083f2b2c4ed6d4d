"""Text made harmless for a terminal: control characters, bidi overrides, line breaks, surrogates.

A bundle, a checkpoint or an image may have been made by anyone, and its names reach the screen: a
label may hold the escape sequence that renames the window, a node's name a line that looks like a
verdict. All text that a terminal shows goes through here.
"""

from __future__ import annotations

import re

# Characters in one line; a name of a million is cut.
LONGEST = 4000
# Not printable to Python, and harmless: spaces, and what joins letters in Persian and in emoji.
_HARMLESS = frozenset("\xa0\u1680\u202f\u205f\u3000\u200c\u200d") | {
    chr(code) for code in range(0x2000, 0x200B)
}
_LINE_BREAK = re.compile(r"\s*[\n\r]\s*")


def printable(text: str, longest: int = LONGEST) -> str:
    """The text as one line of characters that move no cursor and turn no direction.

    A line break becomes a space; any other control or format character and every surrogate is
    written as Python writes it, as in ``\\x1b``. Past `longest` characters the text is cut.
    """
    if len(text) > longest:
        text = f"{text[:longest]}… ({len(text) - longest:,} more characters)"
    if text.isprintable():
        return text
    return "".join(map(_escaped, _LINE_BREAK.sub(" ", text)))


def printable_lines(text: str) -> str:
    """The text with its line breaks; each line is made `printable`."""
    return "\n".join(map(printable, text.split("\n")))


def _escaped(character: str) -> str:
    if character.isprintable() or character in _HARMLESS:
        return character
    # A byte of a file's name that is not UTF-8, as `os.fsdecode` gives it.
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
