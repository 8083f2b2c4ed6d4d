"""Requirements on this machine for emulating boards, and processes started on it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from board.binfmt import arm64_programs, qemu_arm64

INSTALL = "apt-get install --no-install-recommends"
# All that a board is mounted with, and nothing that stays.
MOUNTS = """
mount -t tmpfs tmpfs /run && cd /run && mkdir lower upper work board &&
mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay board &&
mount -t proc proc board
"""
# As root without a login shell: sshd and mount may not be on PATH.
PATH = f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin"


def reason_for_none() -> str | None:
    """Why this machine cannot have a board, and what would change that; None if it can."""
    if os.uname().sysname != "Linux" or os.uname().machine != "x86_64":
        return "the board's emulator is for Linux on x86-64"
    if os.geteuid() != 0:
        return "only root may chroot and mount; run the tests with sudo"
    for program, package in (
        ("sshd", "openssh-server"),
        ("ssh", "openssh-client"),
        ("unshare", "util-linux"),
        ("qemu-aarch64-static", "qemu-user-static"),
    ):
        if shutil.which(program, path=PATH) is None:
            return f"{program} is not installed; {INSTALL} {package}"
    ran = run(["qemu-aarch64-static", "-cpu", "help"])
    if "cortex-a76" not in ran.stdout:
        return "qemu-aarch64-static is older than 7.1, which brought cortex-a76"
    ran = run(["unshare", "--mount", "--pid", "--uts", "--fork", "sh", "-c", MOUNTS])
    if ran.returncode:
        return f"this root may not mount: {ran.stderr.strip()}; run in a privileged container"
    qemu = qemu_arm64()
    assert qemu is not None
    try:
        with arm64_programs(qemu):
            return None
    except OSError as error:
        return f"binfmt_misc cannot be mounted or written: {error}; run in a privileged container"


def start(command: list[str | Path | None], log: Path | None = None) -> subprocess.Popen[str]:
    """A process that ends when this one does, however that comes about."""
    words = ["setpriv", "--pdeathsig", "KILL", *map(str, command)]
    environment = os.environ | {"PATH": PATH}
    if log is None:
        pipe = subprocess.PIPE
        return subprocess.Popen(words, env=environment, stdout=pipe, stderr=pipe, text=True)
    with log.open("a") as said:
        return subprocess.Popen(
            words, env=environment, stdout=said, stderr=said, stdin=subprocess.DEVNULL, text=True
        )


def run(command: list[str | Path]) -> subprocess.CompletedProcess[str]:
    """A program as root runs it, to its end."""
    return subprocess.run(
        list(map(str, command)),
        env=os.environ | {"PATH": PATH},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
