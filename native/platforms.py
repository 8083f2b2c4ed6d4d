"""Platforms of edgecnn-native: zig's target, the wheel's tag, the library's name, kernel families.

A family of kernels is the files of src/kernels with its name in theirs, such as ``avx2_add.c``. It
has compiler flags of its own, for some processors of one architecture; the library asks the
processor before it runs one. The folders x86, arm, armv7, dsp, mve and wasm hold the files of one
architecture.
"""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass

# Architecture → word in a file's name → flags for clang. Other files are for every processor.
FAMILIES: dict[str, dict[str, tuple[str, ...]]] = {
    "x86_64": {
        "x86": (),
        "avx2": ("-mavx2", "-mfma"),
        "avxvnni": ("-mavx2", "-mfma", "-mavxvnni"),
        # Without VBMI: its one instruction is written out, in kernels that have a table.
        "avx512": (
            *("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq"),
            *("-mavx512vnni", "-mavx2", "-mfma"),
        ),
    },
    "aarch64": {
        "arm": (),
        "dotprod": ("-march=armv8.2-a+dotprod",),
        "i8mm": ("-march=armv8.2-a+dotprod+i8mm",),
    },
    "arm": {"armv7": (), "dsp": (), "mve": ()},
    "wasm32": {"wasm": ()},
}


@dataclass(frozen=True)
class Platform:
    """What a library is compiled for.

    Attributes:
        name: as ``EDGECNN_NATIVE_PLATFORM`` takes it.
        target: of zig, with the oldest glibc that it runs on.
        tag: of the wheel; empty where Python has none for it.
        library: its file name.
        flags: further flags of every file.
    """

    name: str
    target: str
    tag: str
    library: str = "libedgecnn_native.so"
    flags: tuple[str, ...] = ()

    @property
    def architecture(self) -> str:
        """Key in `FAMILIES`."""
        return self.target.partition("-")[0]


def _manylinux(machine: str) -> str:
    return f"manylinux_2_17_{machine}.manylinux2014_{machine}"


_DYLIB, _DLL, _WASM = "libedgecnn_native.dylib", "edgecnn_native.dll", "edgecnn_native.wasm"
# Cortex-A8 and later, such as every Raspberry Pi from the second on.
_ARMV7 = ("-mcpu=generic+v7a+neon",)
# Of every browser since 2023. WASI gives headers alone: nothing of it is linked.
_FREESTANDING = (
    *("-msimd128", "-mbulk-memory", "-mnontrapping-fptoint"),
    *("-DEDGECNN_FREESTANDING", "-DEDGECNN_NO_THREADS"),
)
_ALL = (
    Platform("linux-x86_64", "x86_64-linux-gnu.2.17", _manylinux("x86_64")),
    Platform("linux-aarch64", "aarch64-linux-gnu.2.17", _manylinux("aarch64")),
    Platform("linux-armv7l", "arm-linux-gnueabihf.2.17", _manylinux("armv7l"), flags=_ARMV7),
    Platform("musl-x86_64", "x86_64-linux-musl", "musllinux_1_1_x86_64"),
    Platform("musl-aarch64", "aarch64-linux-musl", "musllinux_1_1_aarch64"),
    Platform("macos-x86_64", "x86_64-macos.11.0", "macosx_11_0_x86_64", _DYLIB),
    Platform("macos-arm64", "aarch64-macos.11.0", "macosx_11_0_arm64", _DYLIB),
    Platform("windows-x86_64", "x86_64-windows-gnu", "win_amd64", _DLL),
    Platform("windows-arm64", "aarch64-windows-gnu", "win_arm64", _DLL),
    Platform("wasm32", "wasm32-wasi", "", _WASM, _FREESTANDING),
)
PLATFORMS: dict[str, Platform] = {each.name: each for each in _ALL}
"""By their name; those without a tag make no wheel."""

# The agent is static: it runs on any Linux of its processor, Android's included.
AGENTS: dict[str, Platform] = {
    "x86_64": PLATFORMS["musl-x86_64"],
    "aarch64": PLATFORMS["musl-aarch64"],
    "armv7l": Platform("musl-armv7l", "arm-linux-musleabihf", "", flags=_ARMV7),
}
"""Platforms of the static agent, by the machine of a board's userland."""

# What `platform.machine()` says → the end of a platform's name.
_MACHINES = {"amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64", "armv8l": "armv7l"}


def this_platform() -> Platform | None:
    """The platform that runs this; None where the table has none for it."""
    machine = platform.machine().lower()
    machine = _MACHINES.get(machine, machine)
    if sys.platform == "linux":
        # The name of a C library is empty on musl.
        name = f"{'linux' if platform.libc_ver()[0] == 'glibc' else 'musl'}-{machine}"
    else:
        system = {"darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
        name = f"{system}-{machine.replace('aarch64', 'arm64')}"
    return PLATFORMS.get(name)
