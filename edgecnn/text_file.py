"""Reading of a user's small text file, such as labels: a plain file, in UTF-8, of bounded size."""

from __future__ import annotations

import errno
from pathlib import Path

from edgecnn_runtime.file_kind import other_than_file

# Class names of a million classes; /proc and sparse files may be endless.
MAX_BYTES = 16 << 20


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        OSError: missing, unreadable, larger than `MAX_BYTES`, or no plain file: a pipe would be
            waited for, and a device has no end.
        UnicodeDecodeError: it is not UTF-8.
    """
    kind = other_than_file(path)
    if kind is not None:
        raise OSError(errno.EINVAL, f"it is {kind}, expected a file")
    with path.open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"it has more than {MAX_BYTES} bytes")
    return content.decode("utf-8")
