"""arm64 programs of a dozen instructions, as files that a kernel or QEMU runs."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from edgecnn_runtime.parity.answers import MARKER

BASE = 0x400000
SDOT = 0x4E829420  # sdot v0.4s, v1.16b, v2.16b
LOAD = 0xF94003E1  # ldr x1, [sp]
SVC = 0xD4000001  # svc #0
MMAP, MUNMAP, GETPRIORITY, EXIT = 222, 215, 141, 93


def write_program(path: Path, words: Sequence[int]) -> Path:
    """An ELF file (TIS ELF 1.2, and ELF for the Arm 64-bit Architecture) of one segment."""
    code = b"".join(word.to_bytes(4, "little") for word in words)
    header_bytes = 64 + 56
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = identity + struct.pack(
        "<HHIQQQIHHHHHH", 2, 183, 1, BASE + header_bytes, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    size = header_bytes + len(code)
    segment = struct.pack("<IIQQQQQQ", 1, 7, 0, BASE, BASE, size, size, 0x1000)
    path.write_bytes(header + segment + code)
    path.chmod(0o755)
    return path


def move(register: int, value: int) -> list[int]:
    """``movz``, ``movk``: `value` of 32 bits into an x register, in two instructions."""
    low, high = value & 0xFFFF, value >> 16
    return [0xD2800000 | low << 5 | register, 0xF2A00000 | high << 5 | register]


def call(number: int, *arguments: int) -> list[int]:
    """A system call, in two instructions for its number and each argument, and one for itself."""
    moves = [move(register, value) for register, value in enumerate(arguments)]
    return [word for one in (*moves, move(8, number)) for word in one] + [SVC]


def mark(number: int) -> list[int]:
    """Seven instructions."""
    return call(GETPRIORITY, 0, MARKER + number)


def loop(turns: int, body: Sequence[int]) -> list[int]:
    """Two instructions, and in each turn the body, ``subs x19, x19, #1`` and ``b.ne``."""
    back = -(len(body) + 1) & 0x7FFFF
    return [*move(19, turns), *body, 0xF1000673, 0x54000001 | back << 5]


def leave() -> list[int]:
    """The end of the program."""
    return call(EXIT, 0)


def borrow(size_bytes: int) -> list[int]:
    """Map so much anonymous memory, write to each page of 4 KiB, and unmap it again."""
    # PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, no file: offset and descriptor are
    # ignored. The address stays in x20, the page that is written to in x21.
    mapped = [*call(MMAP, 0, size_bytes, 3, 0x22, 0, 0), 0xAA0003F4, 0xAA0003F5]
    touch = [0xF90002B5, 0x914006B5]  # str x21, [x21]; add x21, x21, #1, lsl #12
    freed = [0xAA1403E0, *move(1, size_bytes), *move(8, MUNMAP), SVC]  # mov x0, x20; …
    return [*mapped, *loop(size_bytes >> 12, touch), *freed]
