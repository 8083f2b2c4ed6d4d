"""The processor: name and instruction sets, from /proc/cpuinfo. Needs no numpy."""

from __future__ import annotations

import os
import re
from enum import Enum
from functools import cache
from pathlib import Path
from typing import NamedTuple

MOST_THREADS = 4
"""Of an engine that was not told how many: more cores are rarely a board's, or an app's alone."""
CPUINFO = Path("/proc/cpuinfo")
TOPOLOGY = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
# Every processor of a server repeats the first one's kilobyte; eight ARM cores fit into four.
FIRST_BYTES = 8192
# What inference engines choose their kernels by: x86 and ARM names of /proc/cpuinfo.
FEATURES = frozenset(
    {
        *("sse4_1", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni"),
        *("amx_int8", "amx_bf16"),
        *("neon", "asimd", "asimddp", "asimdhp", "fphp", "i8mm", "bf16", "sve", "sve2"),
    }
)
# Part numbers of ARM's own cores (implementer 0x41): MIDR_EL1 in each core's reference manual.
ARM = "0x41"
ARM_CORES = {
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
}


class InstructionSet(Enum):
    """What 8-bit products a processor has; the value names it in messages."""

    X86_VNNI = "x86-64 with VNNI"
    X86_AVX2 = "x86-64 with AVX2, without VNNI"
    ARM_DOT = "ARM with dot products"
    ARM_NEON = "ARM without dot products"
    OTHER = "this processor"


class Processor(NamedTuple):
    """Name and instruction sets of a machine's processor.

    Attributes:
        name: of the processor, or of its cores; None where it is unknown.
        machine: as `os.uname` names it: ``x86_64``, ``aarch64``.
        features: those of `FEATURES` that every core has.
    """

    name: str | None
    machine: str
    features: tuple[str, ...]

    @property
    def instruction_set(self) -> InstructionSet:
        """The best of its 8-bit products."""
        has = set(self.features)
        if has & {"avx512_vnni", "avx_vnni"}:
            return InstructionSet.X86_VNNI
        # Of Windows and macOS no features are known; processors without AVX2 are of before 2013.
        if "avx2" in has or (not has and self.machine in ("x86_64", "AMD64")):
            return InstructionSet.X86_AVX2
        # macOS has no /proc/cpuinfo; every processor of Apple's computers has dot products.
        if has & {"asimddp", "i8mm"} or self.machine == "arm64":
            return InstructionSet.ARM_DOT
        if has & {"neon", "asimd"}:
            return InstructionSet.ARM_NEON
        return InstructionSet.OTHER


@cache
def this_processor() -> Processor:
    """The processor of this machine, from the first kilobytes of /proc/cpuinfo."""
    try:
        with CPUINFO.open("rb") as file:
            text = file.read(FIRST_BYTES).decode("utf-8", "replace")
    except OSError:
        text = ""
    if len(text) >= FIRST_BYTES:  # the last processor is cut short
        text = text.rpartition("\n\n")[0] or text
    has_uname = hasattr(os, "uname")  # not on Windows
    machine = os.uname().machine if has_uname else os.environ.get("PROCESSOR_ARCHITECTURE", "")
    return Processor(processor_name(text), machine, processor_features(text))


def cpu_features() -> tuple[str, ...]:
    """Those of `FEATURES` that this machine's processor has."""
    return this_processor().features


def usable_cores() -> int:
    """Number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def physical_cores(most: int = MOST_THREADS) -> int:
    """Number of cores that this process may use, at most `most`; two threads of a core are one."""
    if not hasattr(os, "sched_getaffinity"):
        return min(os.cpu_count() or 1, most)
    cores: set[str] = set()
    for index in sorted(os.sched_getaffinity(0)):
        try:
            core = Path(TOPOLOGY.format(index)).read_text(encoding="ascii").strip()
        except OSError:
            core = str(index)
        cores.add(core)
        if len(cores) >= most:
            break
    return len(cores)


def processor_name(cpuinfo: str) -> str | None:
    """Name of the processor, or of its cores, in the text of /proc/cpuinfo."""
    if match := re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.M):
        return match[1].strip()
    makers = re.findall(r"^CPU implementer\s*:\s*(0x\w+)", cpuinfo, re.M)
    parts = re.findall(r"^CPU part\s*:\s*(0x\w+)", cpuinfo, re.M)
    cores = sorted(set(zip(makers, parts, strict=False)))
    return ", ".join(_arm_core(maker, part) for maker, part in cores) or None


def processor_features(cpuinfo: str) -> tuple[str, ...]:
    """Those of `FEATURES` that every core in the text of /proc/cpuinfo has."""
    lines = re.findall(r"^(?:flags|Features)\s*:\s*(.+)$", cpuinfo, re.M)
    common = set.intersection(*(set(line.split()) for line in lines)) if lines else set()
    return tuple(sorted(common & FEATURES))


def _arm_core(maker: str, part: str) -> str:
    if maker == ARM and part in ARM_CORES:
        return ARM_CORES[part]
    return f"implementer {maker} part {part}"
