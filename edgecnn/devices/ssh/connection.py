"""One connection to a board, shared by all that is asked of it."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from edgecnn.devices.names import check_target
from edgecnn.devices.ssh.messages import SSH_FAILED, lost, unreachable
from edgecnn.errors import DeviceFailed, DeviceUnreachable

COMMAND_VARIABLE = "EDGECNN_SSH"
CONNECT_S = 10
# A board under load answers late; one that is gone is not waited for.
OPTIONS = (
    "BatchMode=yes",
    # Whatever the user's configuration says: a key that is not known is refused.
    "StrictHostKeyChecking=yes",
    f"ConnectTimeout={CONNECT_S}",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "RequestTTY=no",
    "ForwardX11=no",
    "ForwardAgent=no",
    "ClearAllForwardings=yes",
)
POLL_S = 0.02
CHUNK_BYTES = 1 << 16

Write = Callable[[IO[bytes]], None]


class Connection:
    """An ssh connection that others go through (ssh_config(5), ControlMaster).

    It opens with the first question. The process that holds it has a command on the board that
    reads from us, so that it ends when we do, however we end.
    """

    def __init__(self, name: str, target: str, port: int | None = None) -> None:
        """Nothing is opened yet.

        Raises:
            DeviceConfigInvalid: ssh would take the target for an option.
        """
        self.name = name
        self.target = check_target(target)
        self.sent_bytes = 0
        self._port = port
        self._lock = threading.Lock()
        self._master: subprocess.Popen[bytes] | None = None
        # sun_path holds 108 bytes, and ssh adds 17 of its own.
        self._folder = tempfile.TemporaryDirectory(prefix="edgecnn-", dir=_short_folder())

    def command(self, script: str) -> list[str]:
        """What runs a POSIX shell script on the board, whatever the login shell there is."""
        return [*self._ssh(), "--", self.target, f"exec /bin/sh -c {shlex.quote(script)}"]

    def open(self) -> None:
        """The connection is there.

        Raises:
            DeviceUnreachable: it cannot be; says what to type.
            ConnectionLost: it was, and broke.
        """
        with self._lock:
            if self._master is not None:
                if self._master.poll() is not None:
                    raise lost(self.name)
                return
            self._master = self._start([*self._ssh("yes"), "--", self.target, "cat >/dev/null"])
            self._wait(self._master)

    def run(self, script: str, write: Write | None = None, *, timeout_s: float = 60) -> str:
        """What the script prints on the board.

        Args:
            write: writes to its standard input.

        Raises:
            RemoteFailed: the script ended with another code than 0; carries what it said.
            DeviceUnreachable, ConnectionLost: the connection is not there.
        """
        self.open()
        marker = secrets.token_hex(8)
        process = self._start(self.command(f"echo {marker}\n{script}"))
        alarm = threading.Timer(timeout_s, process.kill)
        alarm.daemon = True
        alarm.start()
        said: list[bytes] = []
        assert process.stdin is not None
        reader = threading.Thread(target=_read, args=(process, said), daemon=True)
        reader.start()
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError), process.stdin as pipe:
                if write is not None:
                    write(_Counted(pipe, self))  # type: ignore[arg-type]  # write() is all it has
            code = process.wait()
        finally:
            is_late = not alarm.is_alive()
            alarm.cancel()
            process.kill()
            process.wait()
            reader.join()
        output, error = (text.decode(errors="replace") for text in said)
        if is_late and code < 0:
            raise DeviceFailed(f"{self.name} gave no answer in {timeout_s:g} s")
        if code == SSH_FAILED or code < 0:
            raise lost(self.name)
        if code != 0:
            raise RemoteFailed(self.name, code, error.strip())
        return output.partition(f"{marker}\n")[2]

    def close(self) -> None:
        """The connection is gone. Closing twice is allowed."""
        with self._lock:
            if self._master is not None:
                _end(self._master)
        self._folder.cleanup()

    def _ssh(self, master: str = "no") -> list[str]:
        words = shlex.split(os.environ.get(COMMAND_VARIABLE, "")) or ["ssh"]
        options = [*OPTIONS, f"ControlMaster={master}", f"ControlPath={self._folder.name}/c"]
        words += [word for option in options for word in ("-o", option)]
        return [*words, "-p", str(self._port)] if self._port is not None else words

    def _start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        try:
            # In a session of its own: Ctrl-C is for us, and we end it when we are done.
            return subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
            )
        except OSError as error:
            raise DeviceUnreachable(
                f"cannot run {command[0]}: {error.strerror}; install ssh: sudo apt install "
                "openssh-client"
            ) from error

    def _wait(self, master: subprocess.Popen[bytes]) -> None:
        """Until the socket is there, which ssh makes when it is logged in."""
        socket = Path(self._folder.name) / "c"
        end = time.monotonic() + 3 * CONNECT_S
        while not socket.exists():
            if master.poll() is not None:
                assert master.stderr is not None
                said = master.stderr.read().decode(errors="replace")
                _end(master)
                self._master = None
                raise unreachable(self.name, self.target, said)
            if time.monotonic() > end:
                _end(master)
                self._master = None
                raise unreachable(self.name, self.target, "connection timed out")
            time.sleep(POLL_S)
        # Nobody reads these any more; a login script may greet, and must not wait for a reader.
        for stream in (master.stdout, master.stderr):
            threading.Thread(target=_drain, args=(stream,), daemon=True).start()


class RemoteFailed(DeviceFailed):
    """A script on the board failed."""

    def __init__(self, name: str, code: int, said: str) -> None:
        last = said.splitlines()[-1] if said else "nothing on stderr"
        super().__init__(f"{name}: a command on the board failed with exit code {code}: {last}")
        self.code = code
        self.said = said


class _Counted:
    """A pipe to the board that counts what goes through."""

    def __init__(self, pipe: IO[bytes], connection: Connection) -> None:
        self._pipe = pipe
        self._connection = connection

    def write(self, data: bytes) -> int:
        self._connection.sent_bytes += len(data)
        return self._pipe.write(data)

    def flush(self) -> None:
        self._pipe.flush()


def _short_folder() -> str | None:
    """Where a socket's path stays short; None is the usual folder for temporary files."""
    usual = tempfile.gettempdir()
    return None if len(usual) < 60 or not os.access("/tmp", os.W_OK) else "/tmp"


def _read(process: subprocess.Popen[bytes], said: list[bytes]) -> None:
    assert process.stdout is not None
    assert process.stderr is not None
    errors: list[bytes] = []
    stderr = process.stderr
    other = threading.Thread(target=lambda: errors.append(stderr.read()), daemon=True)
    other.start()
    said.append(process.stdout.read())
    other.join()
    said += errors
    process.stdout.close()
    process.stderr.close()


def _drain(stream: IO[bytes]) -> None:
    with contextlib.suppress(OSError, ValueError):
        while stream.read(CHUNK_BYTES):
            continue


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.close()


@contextlib.contextmanager
def connected(name: str, target: str, port: int | None = None) -> Iterator[Connection]:
    """A connection for as long as the context lasts."""
    connection = Connection(name, target, port)
    try:
        connection.open()
        yield connection
    finally:
        connection.close()
