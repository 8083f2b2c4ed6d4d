"""Lifeline over stdin: a process ends when its parent closes stdin or sends no heartbeat."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable

# The parent writes a line every few seconds; a broken link ends the lines, not the stream.
SILENCE_S = 30.0


def end_with_stdin(on_end: Callable[[], None], silence_s: float = SILENCE_S) -> None:
    """End this process when stdin ends or is silent for `silence_s` seconds.

    Reads the file descriptor itself: no other code may read stdin from here on.

    Args:
        on_end: called first.
    """
    threading.Thread(target=_watch, args=(on_end, silence_s), daemon=True).start()


def _watch(on_end: Callable[[], None], silence_s: float) -> None:
    descriptor = sys.stdin.fileno()
    while True:
        ready, _, _ = select.select([descriptor], [], [], silence_s)
        if not ready or not os.read(descriptor, 4096):
            try:
                on_end()
            finally:
                # The main thread may be inside an engine or a read, where no exception reaches it.
                os._exit(1)
