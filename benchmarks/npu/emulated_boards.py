"""Boards of Cortex-M processors under QEMU: build a firmware folder, run it, read what it prints.

QEMU's clock is driven by the instructions (``-icount shift=0``: one a nanosecond), and SysTick
counts cycles of the emulated core's clock: their product is the instructions, to within a cycle's.
Counts are the same in every run. They are no time: a core waits for memory, and does some things
at once.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

TIMEOUT_S = 600


@dataclass(frozen=True)
class EmulatedBoard:
    """A board by QEMU's name.

    Attributes:
        tick_ns: of the core's clock: 25 MHz, 20 MHz or 32 MHz.
        ram: addresses of its RAM, as its linker script has them.
    """

    name: str
    core: str
    tick_ns: float
    ram: range


BOARDS = (
    EmulatedBoard("mps2-an386", "Cortex-M4", 40.0, range(0x20000000, 0x20400000)),
    EmulatedBoard("mps2-an500", "Cortex-M7", 40.0, range(0x20000000, 0x20400000)),
    EmulatedBoard("mps2-an505", "Cortex-M33", 50.0, range(0x38000000, 0x38400000)),
    EmulatedBoard("mps3-an547", "Cortex-M55", 31.25, range(0x31000000, 0x31400000)),
)


@dataclass(frozen=True)
class FirmwareRun:
    """One run of a firmware's example.

    Attributes:
        kernels: family that the library took.
        flash_bytes: of the file: plan, library, example with its golden input and output.
        static_bytes: of RAM that the file reserves: library's memory, outputs, the whole stack.
        memory_bytes: that the library asks for on this processor.
        stack_bytes: the most that were in use.
        instructions: of one inference.
        results: output integers.
        is_equal: the golden output came out.
    """

    board: EmulatedBoard
    kernels: str
    flash_bytes: int
    static_bytes: int
    memory_bytes: int
    stack_bytes: int
    instructions: int
    results: tuple[int, ...]
    is_equal: bool


class EmulationFailed(Exception):
    """The firmware does not compile, or does not run; the message is the tool's."""


def missing_tools() -> str:
    """What has to be installed to build and run a firmware here; empty where all is."""
    programs = [name for name in ("make", "qemu-system-arm") if shutil.which(name) is None]
    has_compiler = find_spec("ziglang") or shutil.which("arm-none-eabi-gcc")
    return " and ".join([*programs, *([] if has_compiler else ["ziglang"])])


def build_firmware(folder: Path, board: EmulatedBoard, *, zig: bool = True) -> Path:
    """Compile the firmware in its folder; the ELF file.

    Args:
        zig: by zig's clang; else by arm-none-eabi-gcc.

    Raises:
        EmulationFailed: the compiler refuses it.
    """
    compiler = f"ZIG={sys.executable} -m ziglang" if zig else "ZIG="
    _run(["make", "-s", "-j2", "-C", str(folder), f"BOARD={board.name}", compiler])
    return folder / "build" / board.name / "firmware.elf"


def run_firmware(elf: Path, board: EmulatedBoard) -> FirmwareRun:
    """Run a firmware's example under QEMU.

    Raises:
        EmulationFailed: it ended in a fault, or printed something else.
    """
    printed = emulate(elf, board)
    found = dict(re.findall(r"^(kernels|memory|stack|ticks|results|golden:) (.*)$", printed, re.M))
    if len(found) != 6:
        raise EmulationFailed(f"{board.name} printed {printed!r}")
    flash, static = _loaded_bytes(elf, board.ram)
    return FirmwareRun(
        board,
        found["kernels"],
        flash,
        static,
        int(found["memory"]),
        int(found["stack"]),
        round(int(found["ticks"]) * board.tick_ns),
        tuple(map(int, found["results"].split())),
        found["golden:"].startswith("equal"),
    )


def emulate(elf: Path, board: EmulatedBoard) -> str:
    """What a program prints on a board.

    Raises:
        EmulationFailed: it ended with an exit code, or did not end.
    """
    command = ["qemu-system-arm", "-M", board.name, "-nographic", "-monitor", "none"]
    command += ["-serial", "none", "-icount", "shift=0", "-kernel", str(elf)]
    return _run([*command, "-semihosting-config", "enable=on,target=native"])


def _loaded_bytes(elf: Path, ram: range) -> tuple[int, int]:
    """Bytes that an ELF file puts into flash, and that it reserves in RAM."""
    content = elf.read_bytes()
    (at,) = struct.unpack_from("<I", content, 28)
    size, count = struct.unpack_from("<HH", content, 42)
    flash = reserved = 0
    for header in range(at, at + count * size, size):
        kind, _, address, _, in_file, in_memory = struct.unpack_from("<6I", content, header)
        if kind == 1:  # PT_LOAD
            flash += in_file
            reserved += in_memory if address in ram else 0
    return flash, reserved


def _run(command: list[str]) -> str:
    """Both streams: QEMU writes a debugger's text to either."""
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmulationFailed(f"{command[0]}: {error}") from error
    # The example's own exit code is 1 where integers differ.
    if ran.returncode and "golden" not in ran.stdout + ran.stderr:
        raise EmulationFailed(f"{' '.join(command)}\n{ran.stdout}{ran.stderr}")
    return ran.stdout + ran.stderr
