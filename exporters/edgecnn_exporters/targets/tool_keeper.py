"""Keeper of a vendor's program: a process that ends it, and all its processes, with its parent.

Run as a program of its own, by path, with the standard library alone. Its standard input is the
lifeline: when the parent closes it, or dies of whatever, the program's process group is killed.
What the program prints goes where the keeper's own output goes. How it ended is JSON in an open
file of the parent's.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading


def main(arguments: list[str]) -> None:
    """Run a program until it ends or standard input does.

    Args:
        arguments: the descriptor of the file for how it ended, then the program's command.
    """
    report, *command = arguments
    try:
        tool = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        _report(int(report), {"error": str(error)})
        return
    threading.Thread(target=_end_with_stdin, args=(tool.pid,), daemon=True).start()
    # Not reaped before its group is killed: until then no other process gets its number.
    os.waitid(os.P_PID, tool.pid, os.WEXITED | os.WNOWAIT)
    _kill_group(tool.pid)
    _report(int(report), {"exit_code": tool.wait()})


def _end_with_stdin(group: int) -> None:
    while os.read(0, 1 << 10):
        pass
    _kill_group(group)


def _kill_group(group: int) -> None:
    # macOS says EPERM of a group whose processes have all ended.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _report(descriptor: int, values: dict[str, object]) -> None:
    os.write(descriptor, json.dumps(values).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
