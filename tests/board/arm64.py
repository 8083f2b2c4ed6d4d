"""A Raspberry Pi that is reached by SSH, emulated on this machine.

A real sshd on loopback puts each session into an arm64 Debian by its own ChrootDirectory, and the
kernel runs its programs by QEMU. The board has mounts and process numbers of its own: to cut its
power is to kill its process 1.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from board.firmware import write_firmware
from board.machine import PATH, run, start
from board.sshd import free_port, listens

from edgecnn.devices.profile import Profile

HERE = Path(__file__).parent
USER = "pi"
ADDRESS = "127.0.0.1"
BOOT_S = 20.0
SSHD_CONFIG = """\
ListenAddress {address}
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile /run/board/home/%u/.ssh/authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
ChrootDirectory /run/board
Subsystem sftp internal-sftp
SetEnv QEMU_CPU={cpu}
"""
SSH_CONFIG = """\
Host *
    User {user}
    IdentityFile {folder}/key
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile none
    StrictHostKeyChecking yes
    # A link that a test makes slow is at another port; the board is the same.
    HostKeyAlias {alias}
"""


@dataclass(frozen=True)
class Process:
    """A program that runs on a board; its number is this machine's, not the board's."""

    pid: int
    command: str


class Board:
    """A board with a disk of its own, which lasts until `close`, whatever happens to its power."""

    def __init__(self, profile: Profile, userland: Path, folder: Path) -> None:
        self.profile = profile
        self.folder = folder.absolute()
        self.port = free_port()
        self.destination = f"{USER}@{ADDRESS}"
        self.ssh_config = self.folder / "ssh_config"
        self._init: subprocess.Popen[str] | None = None
        self.folder.mkdir(parents=True, exist_ok=True)
        write_firmware(profile, self.folder / "firmware")
        self._write_keys()
        script = [HERE / "disk.sh", userland, self.folder / "firmware", profile.name]
        self._disk = start(["unshare", "--mount", "--uts", "sh", *script])
        said = self._disk.stdout.readline() if self._disk.stdout else ""
        if said != "ready\n":
            self._disk.wait()
            raise RuntimeError(f"no disk for the board: {said}{self._disk.stderr.read()}")
        # As root of this machine sees it, through the process that holds the disk.
        self.root = Path(f"/proc/{self._disk.pid}/root/run/board")
        self.home = self.root / "home" / USER
        self._authorise()

    def boot(self) -> None:
        """Boot the board until its sshd answers, with a new boot id."""
        script = [HERE / "boot.sh", shutil.which("sshd", path=PATH), self.folder / "sshd_config"]
        command = ["nsenter", f"--mount=/proc/{self._disk.pid}/ns/mnt"]
        command += [f"--uts=/proc/{self._disk.pid}/ns/uts", "unshare", "--pid", "--fork"]
        command += ["--kill-child", "sh", *script, self.folder / "firmware", str(uuid.uuid4())]
        self._init = start(command, log=self.folder / "sshd.log")
        deadline = time.monotonic() + BOOT_S
        while not listens(self.port):
            if self._init.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no boot: {(self.folder / 'sshd.log').read_text()}")
            time.sleep(0.02)

    def cut_power(self) -> None:
        """Kill all processes of the board; its disk keeps what was written."""
        if self._init is not None:
            self._init.kill()
            self._init.wait()
            self._init = None
            while self.processes():
                time.sleep(0.01)

    def close(self) -> None:
        """Remove the board and its disk."""
        self.cut_power()
        self._disk.kill()
        self._disk.communicate()

    def ssh(self, command: str, *, port: int | None = None) -> subprocess.CompletedProcess[str]:
        """Run `command` on the board over ssh and return its output."""
        options = ["-F", self.ssh_config, "-p", str(port or self.port), "-o", "BatchMode=yes"]
        return run(["ssh", *options, self.destination, command])

    def processes(self) -> list[Process]:
        """Every program that runs on it: none, when nobody is at work there."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):  # it ended just now
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                # Not what has ended already and has no words, nor sshd's own part of a session.
                if "qemu" in words[0] and (entry / "root").samefile(self.root):
                    found.append(Process(int(entry.name), " ".join(words[1:]).strip()))
        return found

    def kill(self, process: Process, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to one of its processes."""
        os.kill(process.pid, number)

    def files(self, folder: str = f"/home/{USER}") -> set[str]:
        """The paths of everything below a folder of the board, in its own words."""
        below = self.root / folder.lstrip("/")
        return {f"/{path.relative_to(self.root)}" for path in below.rglob("*")}

    def limit_disk(self, free_bytes: int | None) -> None:
        """Limit the free space of the board's disk; None restores it."""
        used = _used_bytes(self.root)
        size = "2g" if free_bytes is None else str(used + free_bytes)
        remount = ["mount", "-o", f"remount,size={size}", "/run"]
        run(["nsenter", f"--mount=/proc/{self._disk.pid}/ns/mnt", *remount]).check_returncode()

    def _authorise(self) -> None:
        keys = self.home / ".ssh"
        keys.mkdir(mode=0o700)
        shutil.copy(self.folder / "key.pub", keys / "authorized_keys")
        owner = self.home.stat()
        for path in (keys, keys / "authorized_keys"):
            os.chown(path, owner.st_uid, owner.st_gid)

    def _write_keys(self) -> None:
        assert self.profile.emulation is not None
        for name in ("host_key", "key"):
            path = self.folder / name
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path]
            run(command).check_returncode()
        alias = self.profile.name
        host_key = (self.folder / "host_key.pub").read_text()
        (self.folder / "known_hosts").write_text(f"{alias} {host_key}")
        self.ssh_config.write_text(SSH_CONFIG.format(user=USER, folder=self.folder, alias=alias))
        (self.folder / "sshd_config").write_text(
            SSHD_CONFIG.format(
                address=ADDRESS,
                port=self.port,
                folder=self.folder,
                cpu=self.profile.emulation.qemu_cpu,
            )
        )


@contextlib.contextmanager
def powered(profile: Profile, userland: Path, folder: Path) -> Iterator[Board]:
    """A board that has booted, for as long as the context lasts."""
    board = Board(profile, userland, folder)
    try:
        board.boot()
        yield board
    finally:
        board.close()


def _used_bytes(root: Path) -> int:
    disk = os.statvfs(root)
    return (disk.f_blocks - disk.f_bfree) * disk.f_frsize
