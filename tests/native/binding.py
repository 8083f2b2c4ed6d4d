"""The C library as a C program calls it: null pointers, wrong sizes and all."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_void_p
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn_native.library import CError as Error
from edgecnn_native.library import CLayer as Layer
from edgecnn_native.library import COptions as Options
from edgecnn_native.library import CTensor as Tensor

OK, FILE, PLAN, MEMORY, OPTION, INPUT, BUSY = range(7)
Array = NDArray[np.generic]


class Refused(Exception):
    """What the library said, and its code."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.text.decode())
        self.code = error.code


_OPTIONS, _ERROR, _POINTERS = POINTER(Options), POINTER(Error), POINTER(c_void_p)
_FUNCTIONS = {
    "version": (c_char_p, ()),
    "plan_version": (c_int, ()),
    "kernels": (c_char_p, (c_int,)),
    "open_file": (c_void_p, (c_char_p, _OPTIONS, _ERROR)),
    "open_memory": (c_void_p, (c_void_p, c_size_t, _OPTIONS, _ERROR)),
    "memory_size": (c_size_t, (c_void_p, c_size_t, _OPTIONS, _ERROR)),
    "close": (None, (c_void_p,)),
    "input": (c_int, (c_void_p, c_int, POINTER(Tensor))),
    "output": (c_int, (c_void_p, c_int, POINTER(Tensor))),
    "chosen_kernels": (c_char_p, (c_void_p,)),
    "run": (c_int, (c_void_p, c_int, _POINTERS, _POINTERS, _ERROR)),
    "profile": (c_int, (c_void_p, _POINTERS, _POINTERS, POINTER(Layer), c_int, _ERROR)),
}


class Library:
    """The functions of edgecnn_native.h, without their prefix."""

    def __init__(self, path: Path) -> None:
        self.path = path
        library = ctypes.CDLL(str(path))
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, f"edgecnn_{name}")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def families(self) -> list[str]:
        """Kernels that this processor runs."""
        names: list[str] = []
        while (name := self.kernels(len(names))) is not None:
            names.append(name.decode())
        return names


def at_64(size: int, offset: int = 0) -> NDArray[np.uint8]:
    """Bytes at a multiple of 64, or `offset` behind one."""
    room = np.zeros(size + 128, np.uint8)
    start = -room.ctypes.data % 64 + offset
    return room[start : start + size]


def pointers(arrays: Sequence[Array]) -> ctypes.Array[c_void_p]:
    """Their addresses."""
    return (c_void_p * len(arrays))(*[array.ctypes.data for array in arrays])


class Model:
    """An opened plan."""

    def __init__(
        self, library: Library, plan: bytes, kernels: str | None = None, threads: int = 1,
        memory: NDArray[np.uint8] | None = None,
    ) -> None:  # fmt: skip
        self.library, self.address = library, None
        self.plan, self.memory = at_64(len(plan)), memory
        self.plan[:] = np.frombuffer(plan, np.uint8)
        options = Options(threads, kernels.encode() if kernels else None)
        if memory is not None:
            options.memory, options.memory_size = memory.ctypes.data, len(memory)
        error = Error()
        self.address = library.open_memory(self.plan.ctypes.data, len(plan), options, error)
        if self.address is None:
            raise Refused(error)

    def empty_outputs(self, batch: int) -> list[Array]:
        """Arrays that the model can write a batch to, filled with what no result is."""
        outputs: list[Array] = []
        tensor = Tensor()
        while self.library.output(self.address, len(outputs), tensor):
            shape = (batch, *tensor.shape[: tensor.dimensions])
            outputs.append(np.full(shape, 171, np.float32 if tensor.type else np.uint8))
        return outputs

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Outputs of a batch."""
        outputs = self.empty_outputs(len(inputs[0]))
        error = Error()
        if self.library.run(
            self.address, len(inputs[0]), pointers(inputs), pointers(outputs), error
        ):
            raise Refused(error)
        return outputs

    def close(self) -> None:
        """Free it."""
        address, self.address = self.address, None
        self.library.close(address)

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
