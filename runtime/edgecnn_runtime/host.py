"""What machine this is, and what state it is in. Read from /proc and /sys; absent is None."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")

# What inference engines choose their kernels by: x86 and ARM names of /proc/cpuinfo.
FEATURES = frozenset(
    {
        *("sse4_1", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni"),
        *("amx_int8", "amx_bf16"),
        *("neon", "asimd", "asimddp", "asimdhp", "fphp", "i8mm", "bf16", "sve", "sve2"),
    }
)
# Implementer and part numbers of ARM's own cores: MIDR_EL1 in each core's reference manual.
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
# vcgencmd get_throttled, bits that hold now (Raspberry Pi documentation, "vcgencmd").
THROTTLED_BITS = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
}


@dataclass(frozen=True)
class Host:
    """What does not change while a machine runs."""

    model: str | None
    cpu: str | None
    machine: str
    cores: int
    features: tuple[str, ...]
    memory_bytes: int | None
    system: str
    libc: str
    python: str
    governors: tuple[str, ...]
    max_mhz: float | None


@dataclass(frozen=True)
class CpuTimes:
    """Seconds that all cores have spent since boot, added up (/proc/stat)."""

    busy: float
    steal: float
    total: float


@dataclass(frozen=True)
class HostState:
    """What changes, at one moment.

    Attributes:
        load: processes that ran or waited, mean of the last minute.
        mhz: mean current frequency of the cores.
        celsius: temperature by thermal zone.
        throttled: what limits the processor at this moment.
        throttle_count: times that the processor has throttled since boot, where it counts.
        cpu: times of all processes; own_seconds: of this process and its children.
    """

    load: float | None
    mhz: float | None
    celsius: dict[str, float]
    throttled: tuple[str, ...]
    throttle_count: int | None
    cpu: CpuTimes | None
    own_seconds: float


def read_host(root: Path = ROOT) -> Host:
    """The machine as its kernel describes it."""
    cpuinfo = _read(root / "proc/cpuinfo") or ""
    policies = sorted((root / "sys/devices/system/cpu/cpufreq").glob("policy*"))
    most = [mhz for policy in policies if (mhz := _khz(policy / "cpuinfo_max_freq"))]
    governors = {text for policy in policies if (text := _read(policy / "scaling_governor"))}
    return Host(
        model=_board(root),
        cpu=_cpu_name(cpuinfo),
        machine=platform.machine(),
        cores=os.cpu_count() or 1,
        features=_features(cpuinfo),
        memory_bytes=_memory(root),
        system=f"{platform.system()} {platform.release()}",
        libc=" ".join(platform.libc_ver()).strip() or "unknown",
        python=platform.python_version(),
        governors=tuple(sorted(governors)),
        max_mhz=max(most, default=None),
    )


def read_state(root: Path = ROOT) -> HostState:
    """The machine's state at this moment."""
    policies = sorted((root / "sys/devices/system/cpu/cpufreq").glob("policy*"))
    clocks = [mhz for policy in policies if (mhz := _khz(policy / "scaling_cur_freq"))]
    if not clocks:
        cpuinfo = _read(root / "proc/cpuinfo") or ""
        clocks = [float(mhz) for mhz in re.findall(r"^cpu MHz\s*:\s*([\d.]+)", cpuinfo, re.M)]
    load = (_read(root / "proc/loadavg") or "").split()
    times = os.times()
    return HostState(
        load=float(load[0]) if load else None,
        mhz=sum(clocks) / len(clocks) if clocks else None,
        celsius=_temperatures(root),
        throttled=_throttled(root),
        throttle_count=_throttle_count(root),
        cpu=_cpu_times(root),
        own_seconds=times.user + times.system + times.children_user + times.children_system,
    )


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").replace("\0", "").strip()
    except OSError:
        return None


def _khz(path: Path) -> float | None:
    text = _read(path)
    return int(text) / 1000 if text and text.isdigit() else None


def _board(root: Path) -> str | None:
    return _read(root / "proc/device-tree/model") or _read(
        root / "sys/devices/virtual/dmi/id/product_name"
    )


def _cpu_name(cpuinfo: str) -> str | None:
    if named := re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.M):
        return named[1].strip()
    parts = sorted(set(re.findall(r"^CPU part\s*:\s*(0x\w+)", cpuinfo, re.M)))
    return ", ".join(ARM_CORES.get(part, f"part {part}") for part in parts) or None


def _features(cpuinfo: str) -> tuple[str, ...]:
    lines = re.findall(r"^(?:flags|Features)\s*:\s*(.+)$", cpuinfo, re.M)
    found = set.intersection(*(set(line.split()) for line in lines)) if lines else set()
    return tuple(sorted(found & FEATURES))


def _memory(root: Path) -> int | None:
    total = re.search(r"^MemTotal:\s*(\d+) kB", _read(root / "proc/meminfo") or "", re.M)
    return int(total[1]) * 1024 if total else None


def _temperatures(root: Path) -> dict[str, float]:
    found = {}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        name, milli = _read(zone / "type"), _read(zone / "temp")
        if name and milli and milli.lstrip("-").isdigit():
            found[name] = int(milli) / 1000
    return found


def _throttled(root: Path) -> tuple[str, ...]:
    """What a Raspberry Pi's firmware says; its driver's file, or its tool."""
    text = _read(root / "sys/devices/platform/soc/soc:firmware/get_throttled")
    if text is None and root == ROOT and Path("/usr/bin/vcgencmd").exists():
        command = ["/usr/bin/vcgencmd", "get_throttled"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
        text = ran.stdout.strip().partition("=")[2]
    try:
        bits = int(text or "0", 16)
    except ValueError:
        return ()
    return tuple(name for bit, name in THROTTLED_BITS.items() if bits >> bit & 1)


def _throttle_count(root: Path) -> int | None:
    counters = (root / "sys/devices/system/cpu").glob("cpu*/thermal_throttle/*_throttle_count")
    counts = [int(text) for counter in counters if (text := _read(counter)) and text.isdigit()]
    return sum(counts) if counts else None


def _cpu_times(root: Path) -> CpuTimes | None:
    line = (_read(root / "proc/stat") or "").partition("\n")[0].split()
    if len(line) < 9 or line[0] != "cpu":
        return None
    hertz = os.sysconf("SC_CLK_TCK")
    user, nice, system, idle, waiting, irq, soft, steal = (int(n) / hertz for n in line[1:9])
    busy = user + nice + system + irq + soft
    return CpuTimes(busy, steal, busy + steal + idle + waiting)
