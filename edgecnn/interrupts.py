"""Ctrl-C, at any moment of a command: the process ends with the exit code of an interrupt.

A KeyboardInterrupt can be raised between any two steps of Python. In two places it is lost or does
harm, and is therefore raised a moment later:

- In a callback of a weak reference, as those of import locks are, it cannot leave the callback:
  Python prints it as "Exception ignored" and goes on.
- In an import it meets extension modules that abort the process, and packages that take the failed
  import for a missing package. While a command only imports what it needs, there is nothing to
  tidy up, and the process ends at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from edgecnn.exit_codes import INTERRUPTED

WORDS = "interrupted; nothing was left half written"
AGAIN_SECONDS = 0.05
LONGEST_WAIT_S = 5.0
"""For an import to end, which may be of a user's module that does all its work when imported."""
ENTRANCE = (
    *("__main__", "runpy", "click", "edgecnn.__main__", "edgecnn.cli", "edgecnn.commands"),
    "edgecnn.exporting.run",  # imports PyTorch before it does anything
)
"""Modules, and packages of them, between the start of the process and the work of a command."""
SHOW_CURSOR = "\r\x1b[2K\x1b[?25h"
"""What a progress bar on a terminal leaves to be done: erase its line, show the cursor."""


class Interrupts:
    """Handler of SIGINT that raises KeyboardInterrupt; in an import it waits for its end.

    A second Ctrl-C waits no longer.
    """

    def __init__(self) -> None:
        self._is_waiting = False
        self._until_s = 0.0
        self._is_again = False

    def check(self) -> None:
        """Raise the interrupt that still waits.

        Raises:
            KeyboardInterrupt: there is one.
        """
        if self._is_waiting:
            self._is_waiting = False
            raise KeyboardInterrupt

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self._is_again:
            self._until_s = time.monotonic() + (0 if self._is_waiting else LONGEST_WAIT_S)
        self._is_again = False
        importers = _importers(frame)
        if importers is not None and all(map(_is_entrance, importers)):
            _say_and_end()
        self._is_waiting = importers is not None and time.monotonic() < self._until_s
        if not self._is_waiting:
            raise KeyboardInterrupt
        _later(self._interrupt)

    def _interrupt(self) -> None:
        if self._is_waiting:
            self._is_again = True
            _interrupt()


def raise_interrupts() -> Interrupts:
    """From here on Ctrl-C raises KeyboardInterrupt in the main thread, which tidies up."""
    interrupts = Interrupts()
    if _is_main_thread():
        repeat_ignored_interrupts()
        signal.signal(signal.SIGINT, interrupts)
    return interrupts


def end_at_interrupts() -> None:
    """From here on Ctrl-C ends the process at once: for when nothing is to be tidied up."""
    if _is_main_thread():
        signal.signal(signal.SIGINT, lambda *_: _say_and_end())


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold interrupts back until the block ends; processes that it starts never hear of any."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def repeat_ignored_interrupts() -> None:
    """Interrupt the main thread again where a callback swallows a KeyboardInterrupt."""
    others = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            _later(_interrupt)
        else:
            others(unraisable)

    sys.unraisablehook = hook


def _importers(frame: FrameType | None) -> list[str] | None:
    """Modules of the frames that led to the outermost import that is running; None without one."""
    modules: list[str] = []
    is_importing = False
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        if name.partition(".")[0] == "importlib":
            modules.clear()
            is_importing = True
        else:
            modules.append(name)
        frame = frame.f_back
    return modules if is_importing else None


def _is_entrance(module: str) -> bool:
    return module.startswith(tuple(f"{one}." for one in ENTRANCE)) or module in ENTRANCE


def _say_and_end() -> None:
    # Straight to the descriptor: the stream may be in the middle of a write.
    with contextlib.suppress(OSError):
        os.write(2, f"{SHOW_CURSOR if os.isatty(2) else ''}edgecnn: {WORDS}\n".encode())
    os._exit(INTERRUPTED)


def _interrupt() -> None:
    # Not _thread.interrupt_main, which does not wake a main thread that sleeps or reads.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _later(interrupt: Callable[[], None]) -> None:
    timer = threading.Timer(AGAIN_SECONDS, interrupt)
    timer.daemon = True
    timer.start()


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
