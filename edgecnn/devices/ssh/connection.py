"""Shared ssh connection to a board (ControlMaster), over which every command runs."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from typing import IO

from edgecnn.devices.names import check_target
from edgecnn.devices.ssh.messages import SSH_FAILED, killed, lost, unreachable
from edgecnn.devices.ssh.script import remote_command
from edgecnn.devices.ssh.talk import Reply, Talk, end
from edgecnn.errors import DeviceFailed, DeviceUnreachable

COMMAND_VARIABLE = "EDGECNN_SSH"
CONNECT_S = 10
BREAKING_S = 2
# A board under load answers late; one that is gone is not waited for.
OPTIONS = (
    "BatchMode=yes",
    # Whatever the user's configuration says: a key that is not known is refused.
    "StrictHostKeyChecking=yes",
    f"ConnectTimeout={CONNECT_S}",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    # What a user may have configured for a terminal. Options that are younger than OpenSSH 7.6, as
    # in Ubuntu 18.04, are not to be named here: ssh ends at one that it does not know.
    "ControlPersist=no",
    "RemoteCommand=none",
    "PermitLocalCommand=no",
    "RequestTTY=no",
    "ForwardX11=no",
    "ForwardAgent=no",
    "ClearAllForwardings=yes",
    # Only its errors are read.
    "LogLevel=ERROR",
)

Write = Callable[[IO[bytes]], None]


class Connection:
    """A shared ssh connection (ssh_config(5), ControlMaster).

    It opens with the first command. The process that holds it runs a command on the board that
    reads from this one, so that it ends with this process, however that ends.
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
        """Command that runs a POSIX shell script on the board, whatever its login shell."""
        return [*self._ssh(), "--", self.target, remote_command(script)]

    def open(self) -> None:
        """Open the connection.

        Raises:
            DeviceUnreachable: it cannot be opened; the message says what to type.
            ConnectionLost: it was, and broke.
        """
        with self._lock:
            if self._master is None:
                self._master = self._connected()
            elif self._master.poll() is not None:
                raise lost(self.name)

    def run(self, script: str, write: Write | None = None, *, timeout_s: float = 60) -> str:
        """Run a script on the board and return its output.

        Args:
            write: writes to its standard input.

        Raises:
            RemoteFailed: the script ended with another code than 0; carries its last line.
            DeviceUnreachable, ConnectionLost: the connection is not there.
        """
        self.open()
        marker = secrets.token_hex(8)
        # Errors in English: some of them are read.
        script = f"echo {marker}\nLC_ALL=C; export LC_ALL\n{script}"
        with Talk(self._start(self.command(script)), timeout_s) as talk:
            if write is not None:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    write(_Counted(talk.stdin, self))  # type: ignore[arg-type]  # write() is all it has
            reply = talk.end()
        if reply.is_timed_out:
            raise DeviceFailed(f"{self.name} gave no answer in {timeout_s:g} s", device=self.name)
        if reply.code < 0 or (reply.code == SSH_FAILED and self.is_lost()):
            raise lost(self.name)
        if reply.code == SSH_FAILED:
            raise killed(self.name, "a command")
        if reply.code != 0:
            raise RemoteFailed(self.name, reply)
        return reply.stdout.partition(f"{marker}\n")[2]

    def is_lost(self) -> bool:
        """Whether the connection broke; one that is breaking is given a moment to end."""
        if self._master is None:
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._master.wait(BREAKING_S)
        return self._master.poll() is not None

    def close(self) -> None:
        """Close the connection. Closing twice is allowed."""
        with self._lock:
            if self._master is not None:
                end(self._master)
        self._folder.cleanup()

    def _ssh(self, master: str = "no") -> list[str]:
        words = shlex.split(os.environ.get(COMMAND_VARIABLE, "")) or ["ssh"]
        # -S takes the path as it is; as an option it would be quoted by ssh's own rules.
        words += ["-S", f"{self._folder.name}/c".replace("%", "%%")]
        words += [word for one in (*OPTIONS, f"ControlMaster={master}") for word in ("-o", one)]
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

    def _connected(self) -> subprocess.Popen[bytes]:
        """Start the process that holds the connection; it has run a command there."""
        marker = secrets.token_hex(8)
        # Two commands of any shell; a script would be one of a POSIX shell.
        command = f"echo {marker}; exec cat"
        master = self._start([*self._ssh("yes"), "--", self.target, command])
        talk = Talk(master, 3 * CONNECT_S)
        if talk.waits_for(marker):
            # The rest of its output is not read: a login script may greet, and must not wait for a
            # reader.
            return master
        with talk:
            reply = talk.end()
        raise unreachable(self.name, self.target, self._port, reply)


class RemoteFailed(DeviceFailed):
    """A script on the board failed."""

    def __init__(self, name: str, reply: Reply) -> None:
        self.reason = reply.last_line or "nothing on stderr"
        super().__init__(
            f"{name}: a command on the board failed with exit code {reply.code}: {self.reason}",
            device=name,
        )
        self.code = reply.code
        self.stderr = reply.stderr


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
    """Folder with a short path for the control socket; None is the default for temporary files."""
    usual = tempfile.gettempdir()
    return None if len(usual) < 60 or not os.access("/tmp", os.W_OK) else "/tmp"
