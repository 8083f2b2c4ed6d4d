"""Notes of the Python API, by `logging`."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from edgecnn_runtime.printable import printable

LOGGER = logging.getLogger("edgecnn")
"""Notes are warnings of this logger, which Python writes on stderr where no handler is set."""


def log_notes(notes: Iterable[str]) -> None:
    """Log what the user should know of a result."""
    for note in notes:
        LOGGER.warning("%s", printable(note))
