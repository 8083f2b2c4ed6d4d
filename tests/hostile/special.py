"""Named pipes, devices and folders where a file is expected."""

from __future__ import annotations

import os
from pathlib import Path


def make_special(path: Path, kind: str) -> None:
    """Make a ``named pipe``, a link to a ``device`` or a ``folder`` at `path`."""
    if kind == "named pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
