"""Ctrl-C while Python runs a callback: heard a moment later, not lost with a traceback.

A KeyboardInterrupt raised in a weak reference's callback, as those of import locks are, cannot
leave it: Python prints it as "Exception ignored" and goes on.
"""

from __future__ import annotations

import _thread
import sys
import threading
from typing import Any

AGAIN_SECONDS = 0.05


def repeat_ignored_interrupts() -> None:
    """Interrupt the main thread again where a callback swallows a KeyboardInterrupt."""
    others = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            others(unraisable)
            return
        again = threading.Timer(AGAIN_SECONDS, _thread.interrupt_main)
        again.daemon = True
        again.start()

    sys.unraisablehook = hook
