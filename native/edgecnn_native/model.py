"""An opened plan: its inputs and outputs, runs, times of its layers."""

from __future__ import annotations

import ctypes
import math
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from edgecnn_native.library import (
    OK,
    UINT8,
    CError,
    CLayer,
    COptions,
    CTensor,
    NativeError,
    load_library,
)

Array = npt.NDArray[Any]
# What edgecnn_open_memory asks of the plan's address.
_ALIGNMENT = 64
# Layers that a profile has room for at once; one of more is run a second time.
_LAYERS = 1024


@dataclass(frozen=True)
class Tensor:
    """An input or output of one image; arrays have a batch axis in front.

    Attributes:
        dtype: ``uint8`` or ``float32``.
        shape: (channels,) or (channels, height, width).
        scale, zero_point: of ``uint8``: value = scale * (q - zero_point).
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int

    @property
    def bytes(self) -> int:
        """Of one image's array."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Layer:
    """One layer's time.

    Attributes:
        name: of the tensor that it writes.
        kind: ``convolution``, ``depthwise``, ….
        multiplications: multiply-accumulate operations of one image.
    """

    name: str
    kind: str
    seconds: float
    multiplications: float


class Model:
    """A plan that is ready to run; threads take turns."""

    def __init__(
        self,
        plan: bytes | str | os.PathLike[str],
        *,
        threads: int = 1,
        kernels: str | None = None,
    ) -> None:
        """Open a plan.

        Args:
            plan: its path, or its bytes.
            threads: that share the rows of an image.
            kernels: a family of `edgecnn_native.kernels`; None: the best for this processor.

        Raises:
            NativeError: the library is missing, or refuses the plan, the threads or the kernels.
        """
        self._address: int | None = None
        self._turn = threading.RLock()  # a signal handler may close what its thread runs
        self._library = load_library()
        options = COptions(threads, None if kernels is None else kernels.encode(), None, 0)
        error = CError()
        self._plan: Array | None = None  # the library reads weights from it
        if isinstance(plan, bytes):
            self._plan = _aligned(plan)
            address = self._library.edgecnn_open_memory(
                self._plan.ctypes.data, len(plan), options, error
            )
        else:
            address = self._library.edgecnn_open_file(os.fsencode(plan), options, error)
        if address is None:
            raise error.exception()
        self._address = address
        self.inputs = tuple(self._tensors(self._library.edgecnn_input))
        self.outputs = tuple(self._tensors(self._library.edgecnn_output))
        self._input_types = [np.dtype(tensor.dtype) for tensor in self.inputs]
        self._output_types = [np.dtype(tensor.dtype) for tensor in self.outputs]
        self.kernels = str(self._library.edgecnn_chosen_kernels(address).decode())
        """The kernel family in use."""

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Outputs of a batch, in new arrays, in the order of `outputs`.

        Args:
            inputs: in the order of `self.inputs`, each (batch, *shape) of its dtype. One that is
                contiguous is read where it lies.

        Raises:
            NativeError: an array does not fit, or the model is closed.
        """
        batch, read, outputs = self._arrays(inputs)
        error = CError()
        with self._turn:
            code = self._library.edgecnn_run(
                self._opened(), batch, _addresses(read), _addresses(outputs), error
            )
        if code != OK:
            raise error.exception()
        return outputs

    def profile(self, inputs: Sequence[Array]) -> tuple[list[Array], list[Layer]]:
        """Outputs of one image, and the time of every layer, in one thread.

        Raises:
            NativeError: as `run` says.
        """
        batch, read, outputs = self._arrays(inputs)
        if batch != 1:
            raise NativeError(f"a profile is of one image, this is a batch of {batch}")
        error, room = CError(), _LAYERS
        layers = (CLayer * room)()
        while True:
            with self._turn:
                count = self._library.edgecnn_profile(
                    self._opened(), _addresses(read), _addresses(outputs), layers, room, error
                )
            if count < 0:
                raise error.exception()
            if count <= room:
                return outputs, [_layer(each) for each in layers[:count]]
            layers, room = (CLayer * count)(), count

    def close(self) -> None:
        """Free the model, after a run in another thread. Closing twice is allowed."""
        with self._turn:
            address, self._address = self._address, None
            if address is not None:
                self._library.edgecnn_close(address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def _opened(self) -> int:
        if self._address is None:
            raise NativeError("the model is closed; open it again")
        return self._address

    def _tensors(self, function: Any) -> list[Tensor]:
        tensors: list[Tensor] = []
        described = CTensor()
        while function(self._address, len(tensors), described):
            tensors.append(
                Tensor(
                    _text(described.name),
                    "uint8" if described.type == UINT8 else "float32",
                    tuple(described.shape[: described.dimensions]),
                    described.scale,
                    described.zero_point,
                )
            )
        return tensors

    def _arrays(self, inputs: Sequence[Array]) -> tuple[int, list[Array], list[Array]]:
        """Batch, inputs as they are read, and outputs."""
        if len(inputs) != len(self.inputs):
            raise NativeError(f"{len(inputs)} inputs, expected {len(self.inputs)}")
        batch = len(inputs[0])
        for array, tensor, dtype in zip(inputs, self.inputs, self._input_types, strict=True):
            if array.dtype != dtype or array.shape != (batch, *tensor.shape):
                raise NativeError(
                    f"input {tensor.name!r} is {array.dtype} {array.shape}, expected "
                    f"{tensor.dtype} {(batch, *tensor.shape)}"
                )
        read = [np.ascontiguousarray(array) for array in inputs]
        outputs = [
            np.empty((batch, *tensor.shape), dtype)
            for tensor, dtype in zip(self.outputs, self._output_types, strict=True)
        ]
        return batch, read, outputs


def memory_size(plan: bytes, *, threads: int = 1, kernels: str | None = None) -> int:
    """Bytes of memory that the library takes to open a plan, on this machine.

    Raises:
        NativeError: the library is missing, or refuses the plan, the threads or the kernels.
    """
    aligned = _aligned(plan)
    options = COptions(threads, None if kernels is None else kernels.encode(), None, 0)
    error = CError()
    size = load_library().edgecnn_memory_size(aligned.ctypes.data, len(plan), options, error)
    if size == 0:
        raise error.exception()
    return int(size)


def _addresses(arrays: Sequence[Array]) -> Any:
    """Their addresses as a C array; the arrays must outlive its use."""
    return (ctypes.c_void_p * len(arrays))(*map(_address, arrays))


def _address(array: Array) -> int:
    """Address of a contiguous array."""
    # `array.ctypes` takes four times as long: a tenth of what a small network takes.
    if array.flags.writeable and array.size:
        return ctypes.addressof(ctypes.c_char.from_buffer(array.data))
    return array.ctypes.data


def _aligned(plan: bytes) -> Array:
    """The bytes at an address that the library accepts."""
    room = np.empty(len(plan) + _ALIGNMENT, np.uint8)
    begin = -room.ctypes.data % _ALIGNMENT
    room[begin : begin + len(plan)] = np.frombuffer(plan, np.uint8)
    return room[begin : begin + len(plan)]


def _text(name: bytes) -> str:
    """A name as a plan has it, which need not be UTF-8 where the plan is a stranger's."""
    return name.decode("utf-8", "backslashreplace")


def _layer(layer: CLayer) -> Layer:
    return Layer(_text(layer.name), layer.kind.decode(), layer.seconds, layer.multiplications)
