"""Notes and progress of the Python API: notes by `logging`, progress when it is asked for."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence

from edgecnn_runtime.printable import printable
from edgecnn_runtime.progress import Announce, no_lines

LOGGER = logging.getLogger("edgecnn")
"""Notes are warnings of this logger, which Python writes on stderr unless told otherwise."""


def log_notes(notes: Iterable[str]) -> None:
    """Log what the user should know of a result."""
    for note in notes:
        LOGGER.warning("%s", printable(note))


@contextlib.contextmanager
def shown_stages(names: Sequence[str], *, progress: bool) -> Iterator[Announce]:
    """Show the stages of a job on stderr: a bar on a terminal, else a line for each as it begins.

    Args:
        progress: False shows nothing.
    """
    if not progress:
        yield no_lines
    elif sys.stderr.isatty():
        from edgecnn.progress_bar import stages

        with stages(names, quiet=False) as announce:
            yield announce
    else:
        yield _Lines()


class _Lines:
    """A line on stderr for each stage, once: of a notebook, or in a file."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, line: str, /) -> None:
        stage = line.partition(":")[0]
        if stage != self._last:
            print(f"edgecnn: {printable(stage)}", file=sys.stderr, flush=True)
        self._last = stage
