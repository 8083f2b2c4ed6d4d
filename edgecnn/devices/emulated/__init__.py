"""An ARM board without a board: its userland, its engines and its instructions, by QEMU.

What it proves is in docs/emulation.md: answers, instructions and memory, and never a latency.
"""

from edgecnn.devices.emulated.board import EmulatedBoard

__all__ = ["EmulatedBoard"]
