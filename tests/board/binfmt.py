"""binfmt_misc registration, so that this machine runs arm64 programs through QEMU."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

KERNEL = Path("/proc/sys/fs/binfmt_misc")
# An ELF header's first 20 bytes for 64-bit little-endian ARM, any ABI, a program or a library
# (elf.h: e_ident, e_type 2 or 3, e_machine 183), and which of their bits count. As Debian's
# qemu-user-static has them.
MAGIC = r"\x7fELF\x02\x01\x01\x00" + r"\x00" * 8 + r"\x02\x00\xb7\x00"
MASK = r"\xff" * 7 + r"\x00" + r"\xff" * 8 + r"\xfe\xff\xff\xff"


@contextlib.contextmanager
def arm64_programs(qemu: str) -> Iterator[None]:
    """arm64 programs run while the context lasts, in every chroot as well.

    The kernel opens QEMU now rather than when it is needed (flag F), where there may be none. Its
    folder stays mounted, as it is on most machines: others may have begun to use it.

    Raises:
        OSError: the kernel refuses.
    """
    register = KERNEL / "register"
    if not register.exists():
        mount = ["mount", "-t", "binfmt_misc", "binfmt_misc", str(KERNEL)]
        ran = subprocess.run(mount, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise OSError(ran.stderr.strip() or "mount failed")
    _forget_the_dead()
    # Others may have registered theirs, and may take it away again: this one is our own.
    entry = KERNEL / f"edgecnn-board-{os.getpid()}"
    register.write_text(f":{entry.name}:M::{MAGIC}:{MASK}:{qemu}:F")
    try:
        yield
    finally:
        entry.write_text("-1")


def _forget_the_dead() -> None:
    """Take away what tests registered that were killed before they could."""
    for entry in KERNEL.glob("edgecnn-board-*"):
        if not Path("/proc", entry.name.rsplit("-", 1)[1]).exists():
            with contextlib.suppress(OSError):  # someone else was faster
                entry.write_text("-1")


def qemu_arm64() -> str | None:
    """The emulator that needs no library, so that a chroot can run it; None without one."""
    return shutil.which("qemu-aarch64-static")
