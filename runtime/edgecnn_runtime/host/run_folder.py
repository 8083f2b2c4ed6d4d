"""Temporary folder of one bench, removed when the bench ends or is killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edgecnn_runtime.host import lifeline

LOCK = ".kept"
REMOVALS = 20
REMOVAL_S = 0.1


def keep_folder(folder: Path, on_created: Callable[[], None]) -> None:
    """Create `folder`; remove it when stdin ends or is silent, or when this process is ended.

    Abandoned folders beside it, for example after a power cut, are removed first.

    Args:
        on_created: called when the folder exists.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.parent):
        for other in folder.parent.iterdir():
            if not _is_kept(other):
                shutil.rmtree(other, ignore_errors=True)
        folder.mkdir(mode=0o700)
        lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)

    def remove(*_: object) -> None:
        # Processes that write there end at the same time, some of them a little later.
        for _attempt in range(REMOVALS):
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                return
            time.sleep(REMOVAL_S)

    def remove_and_end(*_: object) -> None:
        remove()
        os._exit(1)

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, remove_and_end)
    lifeline.end_with_stdin(remove)
    on_created()
    while True:
        signal.pause()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock of a parent folder: one process at a time removes its abandoned folders.

    A new folder is not locked yet and would look abandoned. File systems that cannot lock a
    folder, such as NFS, go without this lock.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_kept(folder: Path) -> bool:
    """Whether a process holds the folder's lock."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        with contextlib.suppress(OSError):
            os.close(lock)
    return False
