"""Kinds of files that are not to be read or replaced: folders, named pipes, devices, sockets.

Reading a pipe waits for a writer, perhaps for ever; ``/dev/zero`` has no end; and a rename over
``/dev/null`` leaves a machine without one.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def other_than_file(path: str | os.PathLike[str]) -> str | None:
    """What is at `path` instead of a plain file, in words; None for a plain file, or nothing.

    Links are followed.
    """
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):  # ValueError: a null character in the path
        return None
    return next((words for is_kind, words in _KINDS if is_kind(mode)), None)


_LFS = b"version https://git-lfs.github.com/spec/"
_MARKUP = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<body", b"<!--")


def text_content(begin: bytes, expected: str) -> str | None:
    """What a file is that should hold binary data, in words, with the next step; None for binary.

    Args:
        begin: its first bytes, 512 or all.
        expected: what it should be, as "a bundle".
    """
    start = begin.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    again = "fetch the file itself again"
    if not begin:
        return f"empty, not {expected}: {again}"
    if start.startswith(_LFS):
        return f"a Git LFS pointer, not the file that it stands for: git lfs pull, or {again}"
    if start.startswith(_MARKUP):
        return f"a web page, not {expected}, as a failed download leaves it: {again}"
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in begin):
        first_words = begin.split(b"\n")[0].decode("ascii")[:40]
        return f"text, not {expected} ({first_words!r}): {again}"
    return None
