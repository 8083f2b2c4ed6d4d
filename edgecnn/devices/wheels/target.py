"""Target of a wheel: the board's machine, libc and Python, as platform tags and markers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

OLDEST_GLIBC = 17
"""manylinux2014: the oldest for anything but x86 (PEP 599)."""
OLDEST_GLIBC_X86 = 5
NEWEST_GLIBC = 60
"""Newer than any; glibc releases twice a year, 2.41 was of early 2025."""
# PEP 513, 571, 599: tags from before PEP 600, which puts the glibc version into the tag.
LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


@dataclass(frozen=True)
class WheelTarget:
    """Platform of a board that decides whether a wheel fits.

    Attributes:
        machine: of the userland, as wheel tags write it.
        libc: ``glibc`` or ``musl``, and its version.
        python: of CPython, major and minor.
    """

    machine: str
    libc: tuple[str, tuple[int, int]]
    python: tuple[int, int]

    @property
    def python_name(self) -> str:
        """Major and minor version, as ``3.11``."""
        return "{}.{}".format(*self.python)

    def with_newest_libc(self) -> WheelTarget:
        """A board with a glibc that no wheel is too new for."""
        return replace(self, libc=("glibc", (2, NEWEST_GLIBC)))


def platforms(target: WheelTarget) -> tuple[str, ...]:
    """The platform tags that the target takes, the best first (PEP 600, PEP 656)."""
    name, (major, minor) = target.libc
    # What is built on the machine itself and served by an index for it, as for the older Pis.
    own = f"linux_{target.machine}"
    if name == "musl":
        newest_first = range(minor, -1, -1)
        return (*(f"musllinux_{major}_{one}_{target.machine}" for one in newest_first), own)
    oldest = OLDEST_GLIBC_X86 if target.machine in ("x86_64", "i686") else OLDEST_GLIBC
    tags = []
    for one in range(minor, oldest - 1, -1):
        tags.append(f"manylinux_{major}_{one}_{target.machine}")
        if one in LEGACY:
            tags.append(f"{LEGACY[one]}_{target.machine}")
    return (*tags, own)


def markers(target: WheelTarget) -> Mapping[str, str]:
    """Values of the environment markers (PEP 508) on the board."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{target.python_name}.0",
        "os_name": "posix",
        "platform_machine": target.machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{target.python_name}.0",
        "python_version": target.python_name,
        "sys_platform": "linux",
    }


def needed_glibc(file_name: str) -> tuple[int, int] | None:
    """The oldest glibc that a wheel runs on, of its file name; None for one that needs none."""
    versions = [
        (int(major), int(minor)) for major, minor in re.findall(r"manylinux_(\d+)_(\d+)", file_name)
    ]
    versions += [(2, minor) for minor, name in LEGACY.items() if f"{name}_" in file_name]
    return min(versions, default=None)
