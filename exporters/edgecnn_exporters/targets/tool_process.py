"""A vendor's program and all that it starts: none of it outlives its end, its time, or edgecnn."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

KEEPER = Path(__file__).with_name("tool_keeper.py")
# For the keeper to end once its lifeline is cut.
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Ended:
    """How a program ended.

    Attributes:
        exit_code: negative for a signal; None where its time ran out.
    """

    exit_code: int | None
    stdout: str
    stderr: str


def run_to_end(
    command: Sequence[str],
    *,
    folder: Path | None,
    variables: Mapping[str, str],
    timeout_s: float,
) -> Ended:
    """Run a program in a session of its own; its process group is killed when this returns.

    A keeper does so too when this process dies. The output goes to files, not pipes, which a
    process that left the group could hold open.

    Raises:
        OSError: it cannot be started.
    """
    with _text_file() as stdout, _text_file() as stderr, _text_file() as report:
        descriptor = report.fileno()
        keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", os.fspath(KEEPER), str(descriptor), *command],
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(descriptor,),
            cwd=folder,
            env=variables,
            start_new_session=True,
        )
        has_time = True
        try:
            keeper.wait(timeout_s)
        except subprocess.TimeoutExpired:
            has_time = False
        finally:
            _cut_lifeline(keeper)
        code = _exit_code(report, keeper) if has_time else None
        return Ended(code, _content(stdout), _content(stderr))


def _text_file() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")


def _content(stream: IO[str]) -> str:
    stream.seek(0)
    return stream.read()


def _cut_lifeline(keeper: subprocess.Popen[bytes]) -> None:
    assert keeper.stdin is not None
    keeper.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        keeper.wait(PATIENCE_S)


def _exit_code(report: IO[str], keeper: subprocess.Popen[bytes]) -> int:
    """The program's exit code; the keeper's own where it was killed before it could tell.

    Raises:
        OSError: the program could not be started.
    """
    content = _content(report)
    if not content:
        return keeper.returncode
    values = json.loads(content)
    if "error" in values:
        raise OSError(values["error"])
    return int(values["exit_code"])
