"""QEMU's user mode: one ARM program as a process of this machine, without a kernel of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.errors import EmulationUnavailable

INSTALL = "apt-get install --no-install-recommends qemu-user"
# Debian's: the first is linked dynamically and takes plugins, the second does not.
PROGRAMS = ("qemu-aarch64", "qemu-aarch64-static")
OLDEST = (7, 2)
"""The oldest that was tested, of Debian bookworm."""
FIRST_SOUND_MAX = (10, 0)
"""The first in which ``-cpu max`` was seen to compute LiteRT's int8 correctly."""
SOUND_MAX = "max,sme=off"

# The program's memory lies here, apart from QEMU's own, so that the two can be distinguished, and
# always at the same addresses: otherwise the counts of two runs would differ.
GUEST_BASE = 0x2000_0000_0000
GUEST_BYTES = 1 << 36
SEED = 1


@dataclass(frozen=True)
class Qemu:
    """A QEMU that emulates arm64 programs.

    Attributes:
        has_plugins: whether it can be given the plugin that counts.
    """

    program: str
    version: tuple[int, int]
    has_plugins: bool

    @property
    def words(self) -> str:
        """Name and version for display."""
        return "qemu {}.{}".format(*self.version)


def find_qemu(programs: Sequence[str] = PROGRAMS) -> Qemu:
    """The QEMU of this machine; one that takes plugins, where there is one.

    Args:
        programs: names or paths, the preferred first.

    Raises:
        EmulationUnavailable: there is none, or only an older one than was tested.
    """
    if sys.platform != "linux":
        raise EmulationUnavailable(
            f"boards are emulated by QEMU's user mode, which runs on Linux; this is {sys.platform}"
        )
    for name in programs:
        if (program := shutil.which(name)) is not None:
            return _check_version(_read_version(program))
    raise EmulationUnavailable(
        f"boards are emulated by {programs[0]}, which is not installed here; {INSTALL}"
    )


def check_cpu(qemu: Qemu, cpu: str) -> None:
    """Check that QEMU knows this ``-cpu`` and is not known to emulate it wrongly.

    Raises:
        EmulationUnavailable: the processor is unknown, or known to be emulated wrongly.
    """
    name, *options = cpu.split(",")
    # 7.2.22, Debian's: with its SME, LiteRT's int8 answers are wrong and nothing is reported.
    if name == "max" and "sme=off" not in options and qemu.version < FIRST_SOUND_MAX:
        raise EmulationUnavailable(
            f"{qemu.words} computes wrongly with -cpu {cpu}; give -cpu {SOUND_MAX}, or the "
            "board's own processor"
        )
    known = _output_of(qemu.program, "-cpu", "help").split()
    if name not in known:
        cores = ", ".join(word for word in known if word.startswith(("cortex", "neoverse")))
        raise EmulationUnavailable(
            f"{qemu.words} knows no processor {name}; it knows {cores}: install a newer QEMU"
        )


def guest_command(
    qemu: Qemu,
    cpu: str,
    root: Path,
    program: Sequence[str | Path],
    plugin: Sequence[str] = (),
) -> list[str]:
    """Command that runs an arm64 program as on a board.

    Args:
        cpu: one that `check_cpu` accepted.
        root: paths that are in it are taken from it, all others from this machine.
        program: a file of this machine, and its arguments.
        plugin: a file and its arguments, ``name=value``; none runs without one.
    """
    command = [qemu.program, "-cpu", cpu, "-L", str(root), "-seed", str(SEED)]
    command += ["-B", hex(GUEST_BASE), "-R", hex(GUEST_BYTES)]
    if plugin:
        # QEMU separates options by commas; a doubled comma stands for a comma.
        command += ["-plugin", ",".join(one.replace(",", ",,") for one in plugin)]
    return [*command, *map(str, program)]


def _read_version(program: str) -> Qemu:
    output = _output_of(program, "--version")
    match = re.search(r"version (\d+)\.(\d+)", output)
    if match is None:
        raise EmulationUnavailable(
            f"{program} --version says {output[:60]!r}, expected QEMU's version; {INSTALL}"
        )
    has_plugins = re.search(r"^-plugin\b", _output_of(program, "-h"), re.M) is not None
    return Qemu(program, (int(match[1]), int(match[2])), has_plugins)


def _check_version(qemu: Qemu) -> Qemu:
    if qemu.version < OLDEST:
        raise EmulationUnavailable(
            f"{qemu.program} is {qemu.words}, expected {OLDEST[0]}.{OLDEST[1]} or newer; "
            f"{INSTALL} on a newer system"
        )
    return qemu


def _output_of(*command: str) -> str:
    try:
        ran = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmulationUnavailable(f"cannot run {command[0]}: {error}; {INSTALL}") from error
    return ran.stdout
