"""Keeper of a browser: a process that ends it, all its processes and its profile with its parent.

Run as a program of its own, by path, with the standard library alone. Its standard input is the
lifeline: when the parent closes it, or dies of whatever, the browser's process group is killed and
the profile folder is removed. Its last line on stdout is JSON: exit code and last messages of the
browser.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from typing import IO

KEPT_LINES = 20
KEPT_CHARACTERS = 400


def main(arguments: list[str]) -> None:
    """Run a browser until it ends or standard input does.

    Args:
        arguments: the profile folder, then the browser's command.
    """
    profile, *command = arguments
    lines: deque[str] = deque(maxlen=KEPT_LINES)
    try:
        browser = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        shutil.rmtree(profile, ignore_errors=True)
        _report(None, [error.strerror or str(error)])
        return
    _in_background(_keep, browser.stderr, lines)
    _in_background(_end_with_stdin, browser.pid)
    code = _wait(browser)
    _remove(profile)
    _report(code, list(lines))


def _wait(browser: subprocess.Popen[str]) -> int:
    """Exit code of the browser; nothing of its group is left."""
    # Not reaped before its group is killed: until then no other process gets its number.
    os.waitid(os.P_PID, browser.pid, os.WEXITED | os.WNOWAIT)
    _kill_group(browser.pid)
    return browser.wait()


def _in_background(run: object, *arguments: object) -> None:
    threading.Thread(target=run, args=arguments, daemon=True).start()  # type: ignore[arg-type]


def _keep(stream: IO[str], lines: deque[str]) -> None:
    for line in stream:
        if text := line.strip():
            lines.append(text[:KEPT_CHARACTERS])


def _end_with_stdin(group: int) -> None:
    while os.read(0, 1 << 10):
        pass
    _kill_group(group)


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _remove(profile: str) -> None:
    """Remove the folder; a process of the browser that is about to end may still write there."""
    for _ in range(20):
        shutil.rmtree(profile, ignore_errors=True)
        if not os.path.exists(profile):  # noqa: PTH110 -- without pathlib, which takes long
            return
        threading.Event().wait(0.05)


def _report(code: int | None, lines: list[str]) -> None:
    with contextlib.suppress(OSError):
        print(json.dumps({"exit_code": code, "lines": lines}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
