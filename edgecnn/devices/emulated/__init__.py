"""Emulation of an ARM board by QEMU: its userland, its engines and its instructions.

What it proves is in docs/emulation.md: answers, instructions and memory, and never a latency.
"""

from edgecnn.devices.emulated.board import EmulatedBoard

__all__ = ["EmulatedBoard"]
