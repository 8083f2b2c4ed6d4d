"""Handle of a worker process: start it, send requests, read replies, detect its death."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Mapping
from typing import IO, Any

from edgecnn_runtime.budget import Budget
from edgecnn_runtime.errors import MeasureError
from edgecnn_runtime.host.process import AGENT_PREFIX, agent_command, signal_name
from edgecnn_runtime.measure.job import Environment, Subject
from edgecnn_runtime.measure.rounds import WarmUp

# Opening and verifying a large network on a small board; one block or a warm-up takes far less.
TIMEOUT_S = 600
# Of a worker whose engine runs in other processes, which died: EX_SOFTWARE of sysexits.h.
ENGINE_DIED = 70


class WorkerDied(MeasureError):
    """A worker ended without a reply; the message says how.

    Attributes:
        signal: number of the signal that ended it; None where it exited.
        exit_code: None where a signal ended it.
    """

    def __init__(
        self, *, signal: int | None = None, exit_code: int | None = None, last_line: str = ""
    ) -> None:
        """Build the message from the signal, the exit code or the last line.

        Args:
            last_line: its last line on stderr.
        """
        self.signal = signal
        self.exit_code = exit_code
        message = last_line or f"exit code {exit_code} and nothing on stderr"
        super().__init__(message if signal is None else f"died of {signal_name(signal)}")

    @property
    def is_crash(self) -> bool:
        """Whether the engine died, rather than refused."""
        return self.signal is not None or self.exit_code == ENGINE_DIED


class Worker:
    """A row in a process of its own, as a `timing.Timed`. It loads its engine at once."""

    def __init__(
        self, subject: Subject, environment: Environment | None, budget: Budget | None = None
    ) -> None:
        command, variables = launch(environment)
        self.own_seconds = 0.0
        self.peak_memory_bytes = 0
        self._stderr_lines: list[str] = []
        self._process = subprocess.Popen(
            [
                *(*command, "work", subject.bundle),
                *(*subject.options(), *(budget or Budget()).options()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=variables,
        )
        # Read all the time: an engine that prints much would fill the pipe and block.
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def verify(self) -> dict[str, Any]:
        """Open the artefact and return its parity on the golden examples, as JSON fields.

        Raises:
            WorkerDied: it ended before that.
        """
        self._send({"open": True})
        return self._receive()

    def warm_up(self, limit_s: float) -> WarmUp:
        reply = self._request({"warm_up": limit_s})
        return WarmUp(reply["runs"], reply["last_ms"], reply["is_stable"])

    def block(self, runs: int) -> list[float]:
        samples: list[float] = self._request({"block": runs})["samples_ms"]
        return samples

    def kill(self) -> None:
        """End the process; may be called while another thread uses it."""
        self._process.kill()

    def close(self) -> None:
        """End the process. Closing twice is allowed."""
        self._process.kill()
        self._process.wait()
        self._listener.join(1.0)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not stream.closed:
                try:
                    stream.close()
                except BrokenPipeError:  # a request that it never read
                    continue

    def _request(self, request: Mapping[str, object]) -> dict[str, Any]:
        self._send(request)
        reply = self._receive()
        self.own_seconds = reply.pop("own_seconds")
        self.peak_memory_bytes = reply.pop("peak_memory_bytes")
        return reply

    def _send(self, request: Mapping[str, object]) -> None:
        pipe = _open(self._process.stdin)
        try:
            pipe.write(json.dumps(request) + "\n")
            pipe.flush()
        except (BrokenPipeError, ValueError):
            raise self._death() from None

    def _receive(self) -> dict[str, Any]:
        # A hung engine is killed: the read then reaches the end of the pipe.
        alarm = threading.Timer(TIMEOUT_S, self._process.kill)
        alarm.daemon = True
        alarm.start()
        try:
            line = _open(self._process.stdout).readline()
        finally:
            alarm.cancel()
        if not line.endswith("\n"):
            raise self._death()
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _death(self) -> WorkerDied:
        code = self._process.wait()
        self._listener.join(1.0)
        if code < 0:
            return WorkerDied(signal=-code)
        last_line = self._stderr_lines[-1] if self._stderr_lines else ""
        return WorkerDied(exit_code=code, last_line=last_line.removeprefix(AGENT_PREFIX))

    def _listen(self) -> None:
        # Closed by this reader: a child of the engine may keep the pipe open, and closing it in
        # another thread could block for ever.
        with _open(self._process.stderr) as stream:
            for line in stream:
                if text := line.strip():
                    self._stderr_lines[:] = [*self._stderr_lines[-20:], text]


def launch(environment: Environment | None) -> tuple[list[str], dict[str, str]]:
    """Command and environment variables that start the agent in an environment.

    Args:
        environment: None takes that of this process.
    """
    variables = dict(os.environ)
    if environment is None:
        return agent_command(), variables
    if environment.path:
        variables["PYTHONPATH"] = os.pathsep.join(environment.path)
    return list(environment.command), variables


def _open(stream: IO[str] | None) -> IO[str]:
    assert stream is not None, "every stream of a worker is a pipe"
    return stream
