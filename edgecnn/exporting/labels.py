"""File of class names, one a line, in the order of the network's outputs."""

from __future__ import annotations

from pathlib import Path

from edgecnn.errors import LabelsUnreadable
from edgecnn.text_file import read_text


def read_labels(path: Path | None) -> tuple[str, ...] | None:
    """The class names in a file; None without a file.

    Raises:
        LabelsUnreadable: missing, not text, empty, or with an empty line.
    """
    if path is None:
        return None
    try:
        labels = tuple(read_text(path).splitlines())
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LabelsUnreadable(f"labels {path} cannot be read: {reason}") from error
    if not labels or not all(label.strip() for label in labels):
        raise LabelsUnreadable(f"labels {path} are empty or hold an empty line; one name a line")
    return labels
