"""Dialogue with a subprocess: concurrent reading and writing, bounded output, a timeout."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import IO

# Of each stream the last bytes: a login script may print without an end.
KEPT_BYTES = 1 << 24
CHUNK_BYTES = 1 << 16
# What ssh started, such as a ProxyCommand, may hold a stream longer than it.
GRACE_S = 2.0


@dataclass(frozen=True)
class Reply:
    """End of a process: its exit code and output.

    Attributes:
        code: negative for the signal that it died of.
        is_timed_out: it was killed at its timeout.
    """

    code: int
    stdout: str
    stderr: str
    is_timed_out: bool

    @property
    def last_line(self) -> str:
        """Last line of stderr or, where that is empty, of stdout; at most 300 characters."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return lines[-1].strip()[:300] if lines else ""


class Talk:
    """A process with three pipes and a session of its own; leaving the context ends it."""

    def __init__(self, process: subprocess.Popen[bytes], timeout_s: float) -> None:
        """Start the timeout."""
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.stdin: IO[bytes] = process.stdin
        self._process = process
        self._listeners = [_Listener(process.stdout), _Listener(process.stderr)]
        self._is_timed_out = False
        self._alarm = threading.Timer(timeout_s, self._time_out)
        self._alarm.daemon = True
        for thread in (*self._listeners, self._alarm):
            thread.start()

    def waits_for(self, marker: str) -> bool:
        """Wait for the marker on stdout: True as soon as it is there, and then no timeout."""
        if self._listeners[0].hears(marker.encode()):
            self._alarm.cancel()
            return True
        return False

    def end(self) -> Reply:
        """Wait for its end; its standard input ends first."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.stdin.close()
        code = self._process.wait()
        stdout, stderr = (one.heard() for one in self._listeners)
        return Reply(code, stdout, stderr, self._is_timed_out)

    def __enter__(self) -> Talk:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._alarm.cancel()
        end(self._process)

    def _time_out(self) -> None:
        self._is_timed_out = True
        end(self._process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End the process, and whatever it started in its session."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()


class _Listener(threading.Thread):
    """Thread that reads a stream to its end and closes it."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._heard = bytearray()
        self._is_at_end = False
        self._news = threading.Condition()

    def run(self) -> None:
        with self._stream:
            while chunk := self._stream.read1(CHUNK_BYTES):  # type: ignore[attr-defined]  # a BufferedReader
                with self._news:
                    self._heard += chunk
                    del self._heard[:-KEPT_BYTES]
                    self._news.notify_all()
        with self._news:
            self._is_at_end = True
            self._news.notify_all()

    def hears(self, marker: bytes) -> bool:
        """Wait for the marker; False when the stream ends before."""
        with self._news:
            self._news.wait_for(lambda: marker in self._heard or self._is_at_end)
            return marker in self._heard

    def heard(self) -> str:
        self.join(GRACE_S)
        with self._news:
            return self._heard.decode(errors="replace")
