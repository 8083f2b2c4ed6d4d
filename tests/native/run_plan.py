"""Runs a plan on bytes; a program for emulators, with nothing but ctypes.

``python run_plan.py LIBRARY PLAN INPUT OUTPUT SIZE``: one uint8 input, one output of SIZE bytes;
prints the kernels that ran.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path


def aligned(data: bytes) -> ctypes.c_void_p:
    """Address of a copy of the bytes at a multiple of 64; it lives until the program ends."""
    room = ctypes.create_string_buffer(len(data) + 64)
    _KEPT.append(room)
    start = -ctypes.addressof(room) % 64
    room[start : start + len(data)] = data
    return ctypes.c_void_p(ctypes.addressof(room) + start)


_KEPT: list[object] = []


def main(library: str, plan: str, input: str, output: str, size: str) -> None:
    """Write the output of one image."""
    native = ctypes.CDLL(library)
    native.edgecnn_open_memory.restype = ctypes.c_void_p
    native.edgecnn_chosen_kernels.restype = ctypes.c_char_p
    data, error = Path(plan).read_bytes(), ctypes.create_string_buffer(196)
    opened = native.edgecnn_open_memory(aligned(data), ctypes.c_size_t(len(data)), None, error)
    if opened is None:
        sys.exit(error.raw[4:].partition(b"\0")[0].decode())
    model = ctypes.c_void_p(opened)
    place = aligned(bytes(int(size)))
    inputs = (ctypes.c_void_p * 1)(aligned(Path(input).read_bytes()))
    outputs = (ctypes.c_void_p * 1)(place)
    if native.edgecnn_run(model, 1, inputs, outputs, error) != 0:
        sys.exit(error.raw[4:].partition(b"\0")[0].decode())
    Path(output).write_bytes(ctypes.string_at(place, int(size)))
    print(native.edgecnn_chosen_kernels(model).decode("ascii"))


if __name__ == "__main__":
    main(*sys.argv[1:])
