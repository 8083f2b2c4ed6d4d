"""Emulation of an ARM board by QEMU: its userland, its engines and its instructions.

docs/emulation.md describes what it proves: answers, instructions and memory, never a latency.
"""

from edgecnn.devices.emulated.board import EmulatedBoard

__all__ = ["EmulatedBoard"]
