"""Class names in the order of the network's outputs: a file with one a line, or a tuple."""

from __future__ import annotations

from pathlib import Path

from edgecnn.errors import LabelsUnreadable
from edgecnn.text_file import read_text


def labels_of(given: Path | tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The class names in a file, or as they are given; None without either.

    Raises:
        LabelsUnreadable: missing, not text, empty, or with an empty name or one of several lines.
    """
    if given is None:
        return None
    labels = _read(given) if isinstance(given, Path) else given
    if not labels or not all(label.strip() for label in labels):
        name = f"labels {given}" if isinstance(given, Path) else "labels"
        raise LabelsUnreadable(f"{name} are empty or hold an empty line; one name a line")
    if broken := [label for label in labels if len(label.splitlines()) > 1]:
        raise LabelsUnreadable(f"labels: {broken[0]!r} is not one line; a name is one line of text")
    return labels


def _read(path: Path) -> tuple[str, ...]:
    try:
        return tuple(read_text(path).splitlines())
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LabelsUnreadable(f"labels {path} cannot be read: {reason}") from error
