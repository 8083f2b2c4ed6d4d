"""Instructions and memory of an emulated program, counted by a plugin that is compiled here."""

from __future__ import annotations

import itertools
import json
import shutil
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from edgecnn.devices.build_once import build_once
from edgecnn.devices.emulated.qemu import GUEST_BASE, GUEST_BYTES, INSTALL, Qemu
from edgecnn.errors import EmulationUnavailable
from edgecnn_runtime.parity.answers import FIRST_COUNTED, FIRST_RESULT

INSTALL_COMPILER = "apt-get install --no-install-recommends gcc libc6-dev"
COMPILERS = ("cc", "gcc", "clang")
# QEMU → the version of its plugin interface, the newest first. Later ones, up to 6, only added to
# what the plugin uses of the third, and QEMU takes plugins of an older one down to its "min".
INTERFACES = (((9, 1), 3), ((9, 0), 2), ((0, 0), 1))

WORDS: Mapping[str, str] = {
    "total": "all instructions",
    "dot": "SDOT, UDOT, USDOT and SUDOT: four products of bytes, summed, a lane",
    "mmla": "SMMLA, UMMLA and USMMLA: products of matrices of bytes",
    "fmla": "FMLA and FMLS on vectors, of halves, singles and doubles",
    "mull": "SMULL and UMULL on vectors: products as wide as twice the factors",
    "mlal": "SMLAL and UMLAL on vectors: products as wide, added to sums",
    "load": "loads, of either register file; atomics are loads and stores",
    "store": "stores, of either register file",
    "simd": "arithmetic on SIMD and floating-point registers, moves between them included",
    "branch": "branches, calls and returns, taken or not",
}
"""What each kind counts; one instruction may be of several."""


@dataclass(frozen=True)
class Mark:
    """Instruction counts at the moment when the program passed a marker.

    Attributes:
        peak_memory_bytes: of the program's own memory, the most that was resident until then.
        counts: kind, of `WORDS` → instructions.
    """

    number: int
    peak_memory_bytes: int
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Instructions:
    """Instruction counts of one inference, through the engine's Python interface.

    Attributes:
        counts: kind, of `WORDS` → instructions, the median over the runs.
        runs: that were counted.
        spread: the largest total less the smallest, as a share of the median.
    """

    counts: Mapping[str, int]
    runs: int
    spread: float


def build_plugin(qemu: Qemu) -> Path:
    """The compiled plugin for this QEMU, in the cache; takes a second on the first call.

    Raises:
        EmulationUnavailable: QEMU takes no plugins, or there is no compiler that works.
    """
    if not qemu.has_plugins:
        raise EmulationUnavailable(
            f"{qemu.program} takes no plugins, so nothing is counted; {INSTALL} brings one "
            "that does, on Debian bookworm"
        )
    compiler = next((path for name in COMPILERS if (path := shutil.which(name))), None)
    if compiler is None:
        raise EmulationUnavailable(
            f"no C compiler is installed, which the counter needs; {INSTALL_COMPILER}"
        )
    interface = next(number for since, number in INTERFACES if qemu.version >= since)
    source = resources.files("edgecnn.devices.emulated") / "instructions.c"
    flags = ("-std=c11", "-D_GNU_SOURCE", f"-DAPI={interface}", "-O2", "-Wall", "-Wextra")
    shared = ("-shared", "-fPIC", "-fvisibility=hidden", "-pthread")

    def build(folder: Path) -> None:
        with resources.as_file(source) as path:
            library = folder / "instructions.so"
            _compile([compiler, *flags, *shared, "-o", str(library), str(path)])

    recipe = json.dumps([source.read_text(encoding="utf-8"), compiler, flags, shared])
    return build_once("instructions", recipe, build) / "instructions.so"


def plugin_arguments(plugin: Path, out: Path) -> list[str]:
    """For `guest_command`: the plugin writes its marks to `out`."""
    return [str(plugin), f"out={out}", f"base={GUEST_BASE:#x}", f"size={GUEST_BYTES:#x}"]


def read_marks(path: Path) -> list[Mark]:
    """The marks that a plugin wrote until the program ended; none where it wrote none."""
    if not path.exists():
        return []
    marks = []
    for line in path.read_text(encoding="utf-8").splitlines():
        fields: dict[str, Any] = json.loads(line)
        number, peak = fields.pop("marker"), fields.pop("peak_memory_bytes")
        marks.append(Mark(number, peak, fields))
    return marks


def peak_memory_bytes(marks: Sequence[Mark]) -> int | None:
    """Peak memory of a program that opened an artefact and ran it once; None without a result."""
    return next((one.peak_memory_bytes for one in marks if one.number == FIRST_RESULT), None)


def instructions_of(marks: Sequence[Mark]) -> Instructions | None:
    """Instruction counts of one inference, from the marks between runs; None if there are none."""
    counted = [one.counts for one in marks if one.number >= FIRST_COUNTED]
    runs = [
        {kind: after[kind] - before[kind] for kind in WORDS}
        for before, after in itertools.pairwise(counted)
    ]
    if not runs:
        return None
    medians = {kind: int(statistics.median(run[kind] for run in runs)) for kind in WORDS}
    totals = [run["total"] for run in runs]
    return Instructions(medians, len(runs), (max(totals) - min(totals)) / medians["total"])


def _compile(command: Sequence[str]) -> None:
    ran = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if ran.returncode:
        errors = [line for line in ran.stderr.splitlines() if "error" in line] or [
            "it said nothing"
        ]
        raise EmulationUnavailable(
            f"{command[0]} cannot compile the counter: {errors[0].strip()}; {INSTALL_COMPILER}"
        )
