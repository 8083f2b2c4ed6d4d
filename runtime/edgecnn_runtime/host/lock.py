"""Machine-wide lock: one bench at a time, because two would disturb each other's latency."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from edgecnn_runtime.errors import MeasureError

NAME = "edgecnn-bench.lock"
POLL_S = 0.25


@contextlib.contextmanager
def machine_lock(
    who: str,
    wait_s: float,
    on_wait: Callable[[dict[str, Any]], None],
    folder: Path | None = None,
) -> Iterator[None]:
    """Lock the machine while the context lasts; the kernel frees the lock of a killed process.

    Args:
        who: name of this bench's owner, shown to others that wait.
        wait_s: 0 gives up at once.
        on_wait: called once with the holder, ``{"who": …, "pid": …, "since": …}``, if there is one.
        folder: folder of the lock file; None is the machine's folder for temporary files.

    Raises:
        MeasureError: another bench holds the lock after `wait_s`; the message names it.
    """
    path = (folder or Path(tempfile.gettempdir())) / NAME
    file = _open(path)
    try:
        end, is_notified = time.monotonic() + wait_s, False
        while not _try(file):
            holder = _holder(file)
            if not is_notified:
                on_wait(holder)
                is_notified = True
            if time.monotonic() >= end:
                raise MeasureError(
                    f"another bench holds this machine: {holder.get('who', 'unknown')}, process "
                    f"{holder.get('pid', '?')}, since {holder.get('since', '?')}; wait for it"
                )
            time.sleep(POLL_S)
        _write(file, {"who": who, "pid": os.getpid(), "since": time.strftime("%H:%M:%S")})
        yield
    finally:
        os.close(file)


def _open(path: Path) -> int:
    # Without O_CREAT first: in a sticky folder the kernel refuses it for another user's file
    # (sysctl fs.protected_regular).
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    for extra in (0, os.O_CREAT):
        try:
            file = os.open(path, flags | extra, 0o666)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise MeasureError(f"cannot lock the machine: {path}: {error.strerror}") from error
        with contextlib.suppress(OSError):  # another user's file has this mode already
            os.fchmod(file, 0o666)
        return file
    raise MeasureError(f"cannot lock the machine: {path.parent} does not exist; set TMPDIR")


def _try(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: int) -> dict[str, Any]:
    try:
        holder = json.loads(os.pread(file, 4096, 0))
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _write(file: int, holder: dict[str, Any]) -> None:
    os.ftruncate(file, 0)
    os.pwrite(file, json.dumps(holder).encode(), 0)
