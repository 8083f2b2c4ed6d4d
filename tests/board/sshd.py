"""A real sshd on loopback that any user can run: its sessions are this machine, in a home apart."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

INSTALL = "apt-get install --no-install-recommends"
ADDRESS = "127.0.0.1"
START_S = 20.0
# As a user without root's PATH.
PATH = f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin"
# With privileges sshd wants this folder, which a container without an init lacks.
PRIVILEGE_SEPARATION = Path("/run/sshd")
SSHD_CONFIG = """\
ListenAddress {address}
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
"""
SSH_CONFIG = """\
Host *
    User {user}
    IdentityFile {folder}/key
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile none
"""


def reason_for_none() -> str | None:
    """Why this machine cannot have such a server, and what would change that; None if it can."""
    for program, package in (("sshd", "openssh-server"), ("ssh", "openssh-client")):
        if shutil.which(program, path=PATH) is None:
            return f"{program} is not installed; {INSTALL} {package}"
    return None


class Server:
    """A server with keys, a home and a configuration of its own; the user is whoever runs it.

    Attributes:
        target: where ssh is sent.
        home: HOME of every session, empty at first.
        ssh_config: for the client's ``-F``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.target = f"{getpass.getuser()}@{ADDRESS}"
        self.home = self.folder / "home"
        self.home.mkdir()
        self.ssh_config = self.folder / "ssh_config"
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("host_key", "key"):
            self.make_key(name)
        shutil.copy(self.folder / "key.pub", self.folder / "authorized_keys")
        self.know(self.folder / "host_key.pub")
        self.configure_client()

    @property
    def cache(self) -> Path:
        """Where edgecnn keeps its files, unless a test sets XDG_CACHE_HOME."""
        return self.home / ".cache" / "edgecnn"

    @property
    def ssh(self) -> str:
        """The command line of the client, for EDGECNN_SSH."""
        return f"ssh -F {self.ssh_config}"

    @property
    def log(self) -> str:
        """Log of the server."""
        return (self.folder / "sshd.log").read_text()

    def make_key(self, name: str) -> None:
        path = self.folder / name
        for old in (path, path.with_suffix(".pub")):
            old.unlink(missing_ok=True)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path]
        subprocess.run(command, check=True)

    def know(self, *public_keys: Path) -> None:
        """Write the client's known_hosts: these keys and no other."""
        lines = [f"[{ADDRESS}]:{self.port} {path.read_text()}" for path in public_keys]
        (self.folder / "known_hosts").write_text("".join(lines))

    def configure_client(self, *lines: str) -> None:
        """The client's configuration, with lines that come before its own."""
        own = SSH_CONFIG.format(user=getpass.getuser(), folder=self.folder)
        self.ssh_config.write_text("".join(f"{line}\n" for line in lines) + own)

    def start(
        self, *lines: str, variables: Sequence[tuple[str, str]] = (), log_level: str = "INFO"
    ) -> None:
        """Start the server, with further configuration lines, and variables in every session."""
        if os.geteuid() == 0:
            PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
        pairs = [("HOME", str(self.home)), *variables]
        # One line for all: of several, sshd takes the first.
        setenv = " ".join(f'"{name}={value}"' for name, value in pairs)
        config = self.folder / "sshd_config"
        text = SSHD_CONFIG.format(address=ADDRESS, port=self.port, folder=self.folder)
        more = [f"SetEnv {setenv}", f"LogLevel {log_level}", *lines]
        config.write_text(text + "".join(f"{line}\n" for line in more))
        sshd = shutil.which("sshd", path=PATH)
        with (self.folder / "sshd.log").open("a") as log:
            self._process = subprocess.Popen(
                [str(sshd), "-D", "-e", "-f", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + START_S
        while not listens(self.port):
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"sshd does not start: {self.log}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop listening; sessions go on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def sessions(self) -> list[int]:
        """Everything that a session has started and that still runs."""
        return list(self.commands())

    def commands(self) -> dict[int, list[str]]:
        """The same, each with its command, word by word."""
        mark = f"HOME={self.home}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):  # it ended just now, or is not ours to see
                    if mark in (entry / "environ").read_bytes().split(b"\0"):
                        words = (entry / "cmdline").read_bytes().decode(errors="replace")
                        found[int(entry.name)] = words.split("\0")
        return found

    def drop(self) -> None:
        """Every connection breaks, as when the machine goes down; sessions learn of it."""
        for pid in self._children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """End the server and all of its sessions."""
        self.drop()
        self.stop()
        for pid in self.sessions():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _children(self) -> list[int]:
        """The processes of sshd that hold a connection: children of the one that listens."""
        found: list[int] = []
        waiting = [] if self._process is None else [self._process.pid]
        while waiting:
            path = f"/proc/{waiting.pop()}"
            with contextlib.suppress(OSError):
                children = Path(path, "task", path.rpartition("/")[2], "children").read_text()
                for pid in map(int, children.split()):
                    with contextlib.suppress(OSError):
                        if Path(f"/proc/{pid}/comm").read_text().startswith("sshd"):
                            found.append(pid)
                            waiting.append(pid)
        return found


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server that is not yet started, for as long as the context lasts."""
    server = Server(folder)
    try:
        yield server
    finally:
        server.close()


def free_port() -> int:
    with socket.create_server((ADDRESS, 0)) as server:
        port: int = server.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((ADDRESS, port), timeout=1):
        return True
    return False
