"""Progress on a real terminal of 80 columns: something is shown, and nothing is left of it."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

SHOW, HIDE = b"\x1b[?25h", b"\x1b[?25l"
WAIT = """
import sys, time
from edgecnn.cli import cli, main
import click

@cli.command("wait")
def wait():
    from edgecnn.progress_bar import waiting
    with waiting("asking rpi", quiet=False):
        time.sleep({seconds})
    click.echo("done")

cli.get_command = lambda context, name: wait
main(["wait"])
"""


def on_terminal(
    program: list[str], *, interrupt_at: bytes | None = None, **variables: str
) -> bytes:
    """What the program prints on a terminal of 80 columns; Ctrl-C once a text appears."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    environment = {name: value for name, value in os.environ.items() if name not in UNSET}
    running = subprocess.Popen(
        program, stdout=theirs, stderr=theirs, env=environment | {"TERM": "xterm"} | variables
    )
    os.close(theirs)
    shown, end = b"", time.monotonic() + 60
    while time.monotonic() < end:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the last process has closed the terminal
            break
        shown += part
        if interrupt_at is not None and interrupt_at in shown:
            interrupt_at = None
            running.send_signal(signal.SIGINT)
    os.close(ours)
    running.wait(60)
    return shown


UNSET = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE")


def waiting(seconds: float) -> list[str]:
    return [sys.executable, "-c", WAIT.format(seconds=seconds)]


def test_what_takes_long_shows_a_spinner_and_leaves_a_clean_line() -> None:
    shown = on_terminal(waiting(1.5))
    assert b"asking rpi" in shown
    assert shown.rstrip().endswith(b"done")
    assert shown.rfind(SHOW) > shown.rfind(HIDE)


def test_what_is_quick_shows_none() -> None:
    assert b"asking rpi" not in on_terminal(waiting(0.05))


def test_ctrl_c_shows_the_cursor_again() -> None:
    shown = on_terminal(waiting(15), interrupt_at=b"asking rpi")
    assert b"done" not in shown
    assert shown.rfind(SHOW) > shown.rfind(HIDE) >= 0


@pytest.mark.parametrize(
    ("variables", "has_colour"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_verify_in_80_columns(
    tiny_bundle: Path, variables: dict[str, str], has_colour: bool
) -> None:
    shown = on_terminal(
        [sys.executable, "-m", "edgecnn", "verify", str(tiny_bundle)], **variables
    ).decode()
    table = shown[shown.index("what") :]
    assert ("\x1b[32m" in table) == has_colour
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", table).splitlines()
    assert max(map(len, lines)) <= 80
    assert "equal" in table
