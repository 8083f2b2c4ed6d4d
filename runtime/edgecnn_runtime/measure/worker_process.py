"""Handle of a worker process: start it, send requests, read answers, detect its death."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Mapping
from typing import IO, Any

from edgecnn_runtime.errors import MeasureError
from edgecnn_runtime.host.process import AGENT_PREFIX, agent_command, signal_name
from edgecnn_runtime.measure.job import Environment, Subject
from edgecnn_runtime.measure.rounds import WarmUp

# Opening and proving a large network on a small board; one block or a warm-up takes far less.
TIMEOUT_S = 600


class WorkerDied(MeasureError):
    """A worker ended without an answer; the message says how.

    Attributes:
        signal: the number of the signal that ended it; None where it ended by itself.
        exit_code: None where a signal ended it.
    """

    def __init__(
        self, *, signal: int | None = None, exit_code: int | None = None, last_line: str = ""
    ) -> None:
        """How it ended.

        Args:
            last_line: what it wrote last on stderr.
        """
        self.signal = signal
        self.exit_code = exit_code
        how = last_line or f"exit code {exit_code} and nothing on stderr"
        super().__init__(how if signal is None else f"died of {signal_name(signal)}")


class Worker:
    """A row in a process of its own, as a `Candidate`. It loads its engine at once."""

    def __init__(self, subject: Subject, environment: Environment | None) -> None:
        command, variables = launch(environment)
        self.own_seconds = 0.0
        self.peak_memory_bytes = 0
        self._said: list[str] = []
        self._process = subprocess.Popen(
            [*command, "work", subject.bundle, *subject.options()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=variables,
        )
        # An engine that talks must not fill the pipe and wait for a reader.
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def proof(self) -> dict[str, Any]:
        """Open the artefact and return its parity on the golden examples.

        Raises:
            WorkerDied: it did not come to that.
        """
        self._tell({"open": True})
        return self._read()

    def warm_up(self, limit_s: float) -> WarmUp:
        found = self._ask({"warm_up": limit_s})
        return WarmUp(found["runs"], found["last_ms"], found["is_stable"])

    def block(self, runs: int) -> list[float]:
        samples: list[float] = self._ask({"block": runs})["samples_ms"]
        return samples

    def kill(self) -> None:
        """End the process, whatever another thread does with it."""
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

    def _ask(self, request: Mapping[str, object]) -> dict[str, Any]:
        self._tell(request)
        answer = self._read()
        self.own_seconds = answer.pop("own_seconds")
        self.peak_memory_bytes = answer.pop("peak_memory_bytes")
        return answer

    def _tell(self, request: Mapping[str, object]) -> None:
        pipe = _open(self._process.stdin)
        try:
            pipe.write(json.dumps(request) + "\n")
            pipe.flush()
        except (BrokenPipeError, ValueError):
            raise self._death() from None

    def _read(self) -> dict[str, Any]:
        # A hung engine is ended: the read then comes to the end of the pipe.
        alarm = threading.Timer(TIMEOUT_S, self._process.kill)
        alarm.daemon = True
        alarm.start()
        try:
            line = _open(self._process.stdout).readline()
        finally:
            alarm.cancel()
        if not line.endswith("\n"):
            raise self._death()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _death(self) -> WorkerDied:
        code = self._process.wait()
        self._listener.join(1.0)
        if code < 0:
            return WorkerDied(signal=-code)
        last_line = self._said[-1] if self._said else ""
        return WorkerDied(exit_code=code, last_line=last_line.removeprefix(AGENT_PREFIX))

    def _listen(self) -> None:
        # Closed by its reader: what an engine started may hold it still, and closing it under a
        # reader could wait for ever.
        with _open(self._process.stderr) as stream:
            for line in stream:
                if text := line.strip():
                    self._said[:] = [*self._said[-20:], text]


def launch(environment: Environment | None) -> tuple[list[str], dict[str, str]]:
    """Command and environment variables that start the agent in an environment.

    Args:
        environment: None is this process's own.
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
