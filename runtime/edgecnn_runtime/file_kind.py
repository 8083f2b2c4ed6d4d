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
