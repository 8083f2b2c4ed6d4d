"""The shared library and its C functions by ctypes; the structures of ``edgecnn_native.h``."""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, Structure, c_char, c_char_p, c_double, c_float, c_int, c_int32, c_size_t
from functools import cache
from pathlib import Path

_NAMES = {"darwin": "libedgecnn_native.dylib", "win32": "edgecnn_native.dll"}
LIBRARY = Path(__file__).parent / _NAMES.get(sys.platform, "libedgecnn_native.so")
"""Path of the shared library."""
# Codes of ``edgecnn_native.h``.
OK, UINT8 = 0, 0


class NativeError(Exception):
    """The library is missing, or refused a plan, an option or an array.

    Attributes:
        code: ``EDGECNN_FILE``, ``EDGECNN_PLAN``, …; 0 where the library itself is at fault.
    """

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.code = code


class CError(Structure):
    """``edgecnn_error``."""

    _fields_ = (("code", c_int), ("text", c_char * 192))

    def exception(self) -> NativeError:
        """The error as an exception."""
        return NativeError(self.text.decode("utf-8", "replace"), self.code)


class COptions(Structure):
    """``edgecnn_options``."""

    _fields_ = (
        ("threads", c_int),
        ("kernels", c_char_p),
        ("memory", ctypes.c_void_p),
        ("memory_size", c_size_t),
    )


class CTensor(Structure):
    """``edgecnn_tensor``."""

    _fields_ = (
        ("name", c_char_p),
        ("type", c_int),
        ("dimensions", c_int),
        ("shape", c_int32 * 3),
        ("scale", c_float),
        ("zero_point", c_int32),
    )


class CLayer(Structure):
    """``edgecnn_layer``."""

    _fields_ = (
        ("name", c_char_p),
        ("kind", c_char_p),
        ("seconds", c_double),
        ("multiplications", c_double),
    )


# Function → result and arguments. An edgecnn_model is a bare address.
_MODEL, _ADDRESSES = ctypes.c_void_p, POINTER(ctypes.c_void_p)
_SIGNATURES: dict[str, tuple[object, tuple[object, ...]]] = {
    "edgecnn_version": (c_char_p, ()),
    "edgecnn_plan_version": (c_int, ()),
    "edgecnn_kernels": (c_char_p, (c_int,)),
    "edgecnn_open_file": (_MODEL, (c_char_p, POINTER(COptions), POINTER(CError))),
    "edgecnn_open_memory": (
        _MODEL,
        (ctypes.c_void_p, c_size_t, POINTER(COptions), POINTER(CError)),
    ),
    "edgecnn_memory_size": (
        c_size_t,
        (ctypes.c_void_p, c_size_t, POINTER(COptions), POINTER(CError)),
    ),
    "edgecnn_close": (None, (_MODEL,)),
    "edgecnn_input": (c_int, (_MODEL, c_int, POINTER(CTensor))),
    "edgecnn_output": (c_int, (_MODEL, c_int, POINTER(CTensor))),
    "edgecnn_chosen_kernels": (c_char_p, (_MODEL,)),
    "edgecnn_run": (c_int, (_MODEL, c_int, _ADDRESSES, _ADDRESSES, POINTER(CError))),
    "edgecnn_profile": (
        c_int,
        (_MODEL, _ADDRESSES, _ADDRESSES, POINTER(CLayer), c_int, POINTER(CError)),
    ),
}


@cache
def load_library() -> ctypes.CDLL:
    """The library with its functions' types.

    Raises:
        NativeError: the file is missing, or is of another platform.
    """
    if not LIBRARY.is_file():
        raise NativeError(
            f"{LIBRARY} is missing; install a wheel of edgecnn-native, or compile it in a clone: "
            "python native/compile.py"
        )
    try:
        library = ctypes.CDLL(str(LIBRARY))
    except OSError as error:
        raise NativeError(f"{LIBRARY} does not load: {error}") from error
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def version() -> str:
    """The library's version."""
    return str(load_library().edgecnn_version().decode())


def plan_version() -> int:
    """The latest version of a plan that the library reads."""
    return int(load_library().edgecnn_plan_version())


def kernels() -> tuple[str, ...]:
    """Kernel families that this processor runs, best first."""
    library = load_library()
    names: list[str] = []
    while (name := library.edgecnn_kernels(len(names))) is not None:
        names.append(name.decode())
    return tuple(names)
