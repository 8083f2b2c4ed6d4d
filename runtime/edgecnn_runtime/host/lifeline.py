"""Lifeline over stdin: a job ends when its parent closes stdin or sends no heartbeat."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable

# The asker writes a line every few seconds; a link that broke without a word stops doing so.
SILENCE_S = 30.0


def hold(on_end: Callable[[], None], silence_s: float = SILENCE_S) -> None:
    """End this process when stdin ends, or is silent for `silence_s`; `on_end` is called first.

    Reads from the descriptor itself: nobody else may read stdin from here on.
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
                # The main thread may be deep in an engine or a read: there is nothing to unwind.
                os._exit(1)
