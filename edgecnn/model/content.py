"""Refusal of files that are plainly no checkpoints: web pages, Git LFS pointers, programs."""

from __future__ import annotations

from pathlib import Path

from edgecnn.errors import CheckpointUnreadable
from edgecnn_exporters.capture.file_content import other_content


def refuse_other_content(path: Path) -> None:
    """Refuse a file whose content is plainly another thing than its name says.

    Raises:
        CheckpointUnreadable: it is; says what it is, and what to do.
    """
    kind = other_content(path)
    if kind is not None:
        raise CheckpointUnreadable(f"{path} is {kind}")
