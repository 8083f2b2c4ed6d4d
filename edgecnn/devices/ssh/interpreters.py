"""Interpreters of a board that the agent runs on, or the reason why there are none."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from edgecnn.devices.board import Interpreter
from edgecnn.devices.probe import OLDEST_PYTHON
from edgecnn.devices.ssh.connection import Connection, RemoteFailed
from edgecnn.errors import DeviceUnsuitable


def fit_pythons(interpreters: Sequence[Interpreter]) -> tuple[Interpreter, ...]:
    """Those that are new enough, in their order."""
    return tuple(one for one in interpreters if one.version[:2] >= OLDEST_PYTHON)


def shown_pythons(interpreters: Sequence[Interpreter]) -> str:
    """All of them in words, or ``no Python``."""
    versions = (f"Python {'.'.join(map(str, one.version))} at {one.path}" for one in interpreters)
    return ", ".join(versions) or "no Python"


def check_pythons(board: str, interpreters: Sequence[Interpreter]) -> tuple[Interpreter, ...]:
    """Those that the agent runs on.

    Args:
        board: its name.

    Raises:
        DeviceUnsuitable: there is none; the message lists what was found.
    """
    if fit := fit_pythons(interpreters):
        return fit
    raise DeviceUnsuitable(
        f"{board} has {shown_pythons(interpreters)}; the agent needs Python 3.11 or newer: "
        "Raspberry Pi OS bookworm (Debian 12) and newer have it (sudo apt install python3), or "
        "name one with --python when you add the board; a bundle with a plan (edgecnn export "
        "--target native) is measured without",
        device=board,
    )


def named_python(connection: Connection, path: str) -> Interpreter:
    """The interpreter that the user names.

    Raises:
        DeviceUnsuitable: it does not run.
    """
    code = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
    try:
        version = connection.run(f"{shlex.quote(path)} -S -s -c {shlex.quote(code)}")
        first, second, third = map(int, version.split("."))
    except (RemoteFailed, ValueError) as error:
        raise DeviceUnsuitable(
            f"{connection.name}: {path} is not a Python that runs there: {error}; see "
            f"edgecnn devices add --help, --python",
            device=connection.name,
        ) from error
    return Interpreter(path, (first, second, third))
