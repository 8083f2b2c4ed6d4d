"""Event stream of an agent process, run locally, over ssh or in an emulator."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from edgecnn.devices.board import Event
from edgecnn.errors import DeviceFailed
from edgecnn_runtime.host.process import AGENT_PREFIX

# The agent ends itself when its standard input closes; a link that only hangs shows as silence.
HEARTBEAT_S = 3.0
GRACE_S = 2.0
# An event with every sample of a long run is some MB; what is longer is no event.
MAX_EVENT_BYTES = 1 << 26
MAX_KEPT_LINE = 1 << 12
KEPT_LINES = 40


@dataclass(frozen=True)
class Ended:
    """End of a process that carried events: exit code and last output.

    Attributes:
        exit_code: negative for the signal that it died of.
        stderr: the last lines that it wrote there.
        stdout: the last lines that it wrote there and that are no events.
    """

    exit_code: int
    stderr: tuple[str, ...]
    stdout: tuple[str, ...]


Failure = Callable[[Ended], DeviceFailed]


def agent_failure(ended: Ended) -> DeviceFailed:
    """The agent's own message: its last line on stderr, or else a description of its end."""
    last_lines = ended.stderr or ended.stdout
    if ended.exit_code < 0:
        how = f"the agent died of {_signal_name(-ended.exit_code)}"
        return DeviceFailed(f"{how}; its last line: {last_lines[-1]}" if last_lines else how)
    if last_lines:
        return DeviceFailed(last_lines[-1].removeprefix(AGENT_PREFIX))
    return DeviceFailed(f"the agent ended with exit code {ended.exit_code} and printed nothing")


def start_agent(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process as `agent_events` expects it: three pipes, and a process group of its own.

    Args:
        environment: variables, all of them; None leaves them as they are.
        folder: where it runs.

    Raises:
        DeviceFailed: there is no such program, or it may not be run.
    """
    try:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
    except OSError as error:
        raise DeviceFailed(f"cannot run {command[0]}: {error.strerror or error}") from error


@contextlib.contextmanager
def agent_events(
    agent: subprocess.Popen[bytes],
    job: Mapping[str, Any] | None = None,
    *,
    failure: Failure = agent_failure,
) -> Iterator[Iterator[Event]]:
    """The events that a process of `start_agent` prints, as they come.

    Its standard input stays open, with a newline every few seconds, for as long as the context is.
    Leaving the context, or the end of the process, ends everything in its process group.

    Args:
        job: written to its standard input first, as one line of JSON.
        failure: the error for an end with an exit code other than 0.

    Yields:
        An iterator over the lines of its standard output that are JSON objects with an "event".
        Other lines are kept for the error alone: an engine may print whatever it likes.

    Raises:
        DeviceFailed: while iterating, whatever `failure` made of its end.
    """
    assert agent.stdin is not None
    assert agent.stdout is not None
    assert agent.stderr is not None
    left = threading.Event()
    stderr_lines: deque[str] = deque(maxlen=KEPT_LINES)
    feeder = _begin(_feed, agent.stdin, job, left)
    listener = _begin(_keep, agent.stderr, stderr_lines)
    watcher = _begin(_end_group_with, agent.pid)

    def ended(stdout: Sequence[str]) -> Ended | None:
        """End of the process; None while it runs."""
        watcher.join(GRACE_S)
        listener.join(GRACE_S)
        return (
            None if watcher.is_alive() else Ended(agent.wait(), tuple(stderr_lines), tuple(stdout))
        )

    try:
        yield _events(agent.stdout, ended, failure)
    finally:
        left.set()
        _end(agent, watcher)
        feeder.join(GRACE_S)
        listener.join(GRACE_S)
        # What left its group may still hold a pipe: closing it under a reader could wait for ever.
        if not listener.is_alive():
            agent.stdout.close()
            agent.stderr.close()


def _begin(run: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=run, args=arguments, daemon=True)
    thread.start()
    return thread


def _feed(stream: IO[bytes], job: Mapping[str, Any] | None, left: threading.Event) -> None:
    """The job, then a heartbeat until the context is left; then the end of the file."""
    # A broken pipe is no error here: the exit code and stderr give the reason.
    with contextlib.suppress(OSError), stream:
        if job is not None:
            stream.write(json.dumps(job).encode() + b"\n")
            stream.flush()
        while not left.wait(HEARTBEAT_S):
            stream.write(b"\n")
            stream.flush()


def _keep(stream: IO[bytes], lines: deque[str]) -> None:
    while line := stream.readline(MAX_KEPT_LINE):
        if text := _text(line):
            lines.append(text)


def _end_group_with(pid: int) -> None:
    """Wait for the agent's end, then end what it left in its group, which may hold its pipes.

    Until the agent is reaped no other process gets its number: reaping it waits for this first.
    """
    with contextlib.suppress(OSError):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        os.killpg(pid, signal.SIGKILL)


def _events(
    stdout: IO[bytes], ended: Callable[[Sequence[str]], Ended | None], failure: Failure
) -> Iterator[Event]:
    others: deque[str] = deque(maxlen=KEPT_LINES)
    while line := stdout.readline(MAX_EVENT_BYTES):
        event = _event(line)
        if event is not None:
            yield event
        elif text := _text(line):
            others.append(text[:MAX_KEPT_LINE])
    # The end of stdout comes a moment before that of the process.
    end = ended(others)
    if end is None:
        raise DeviceFailed("the agent closed its output and went on running")
    if end.exit_code != 0:
        raise failure(end)


def _event(line: bytes) -> Event | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("event"), str) else None


def _text(line: bytes) -> str:
    return line.decode(errors="replace").strip()


def _end(agent: subprocess.Popen[bytes], watcher: threading.Thread) -> None:
    """The process and its group are gone; ssh gets the time to leave its connection properly."""
    if watcher.is_alive():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(agent.pid, signal.SIGTERM)
        watcher.join(GRACE_S)
    if watcher.is_alive():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(agent.pid, signal.SIGKILL)
        watcher.join()
    agent.wait()


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return f"{name} (out of memory?)" if name == "SIGKILL" else name
