"""Hardware facts and current state of the host, read from /proc and /sys; absent is None."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from edgecnn_runtime.host.processor import processor_features, processor_name

ROOT = Path("/")
# vcgencmd get_throttled (Raspberry Pi documentation, "vcgencmd"): each bit is a limit that applies
# now; the same bit 16 bits higher is one that has applied since boot.
THROTTLED_SINCE_BOOT = 16
THROTTLED_BITS = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
}


@dataclass(frozen=True)
class Host:
    """Constant facts of a machine: model, CPU, features, memory, system, clock range.

    Attributes:
        model: name of the board or product.
        cpu: name of the processor, or of its cores.
        cores: number of processor cores.
        features: those of `processor.FEATURES` that every core has.
        machine, system, libc, python: of the interpreter that runs here.
        memory_bytes: of the whole machine.
        governors: frequency governors of all cores, each once.
        min_mhz, max_mhz: clock range over all cores.
    """

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
    min_mhz: float | None
    max_mhz: float | None


@dataclass(frozen=True)
class CpuTimes:
    """Seconds that all cores have spent since boot, added up (/proc/stat).

    Attributes:
        busy: computing.
        steal: taken by other virtual machines.
        total: busy, idle and waiting.
    """

    busy: float
    steal: float
    total: float


@dataclass(frozen=True)
class HostState:
    """State of a machine at one moment: load, clock, temperature, throttling.

    Attributes:
        load: processes that ran or waited, mean of the last minute.
        mhz: highest current frequency of the cores. The run is on that core; idle cores would hide
            a drop. A Raspberry Pi's kernel leaves throttling out of it (raspberrypi/linux issue
            2986); `throttled` has it there.
        celsius: temperature by thermal zone.
        throttled: limits of the processor at this moment.
        was_throttled: limits of the processor since boot.
        throttle_count: throttling events since boot, summed over the cores' counters; one event
            may count on several cores.
        cpu: times of all processes.
        own_seconds: processor time of this process and its children.
    """

    load: float | None
    mhz: float | None
    celsius: dict[str, float]
    throttled: tuple[str, ...]
    was_throttled: tuple[str, ...]
    throttle_count: int | None
    cpu: CpuTimes | None
    own_seconds: float


def read_host(root: Path = ROOT) -> Host:
    """Read the constant facts of the machine."""
    cpuinfo = _read(root / "proc/cpuinfo") or ""
    policies = sorted((root / "sys/devices/system/cpu/cpufreq").glob("policy*"))
    least = [mhz for policy in policies if (mhz := _khz(policy / "cpuinfo_min_freq"))]
    most = [mhz for policy in policies if (mhz := _khz(policy / "cpuinfo_max_freq"))]
    governors = {text for policy in policies if (text := _read(policy / "scaling_governor"))}
    return Host(
        model=_board(root, cpuinfo),
        cpu=processor_name(cpuinfo),
        machine=platform.machine(),
        cores=len(re.findall(r"^processor\s*:", cpuinfo, re.M)) or os.cpu_count() or 1,
        features=processor_features(cpuinfo),
        memory_bytes=_memory(root),
        system=f"{platform.system()} {platform.release()}",
        libc=" ".join(platform.libc_ver()).strip() or "unknown",
        python=platform.python_version(),
        governors=tuple(sorted(governors)),
        min_mhz=min(least, default=None),
        max_mhz=max(most, default=None),
    )


def read_state(root: Path = ROOT) -> HostState:
    """Read the state of the machine at this moment."""
    policies = sorted((root / "sys/devices/system/cpu/cpufreq").glob("policy*"))
    clocks = [mhz for policy in policies if (mhz := _khz(policy / "scaling_cur_freq"))]
    if not clocks:
        cpuinfo = _read(root / "proc/cpuinfo") or ""
        clocks = [float(mhz) for mhz in re.findall(r"^cpu MHz\s*:\s*(\d+\.\d+)", cpuinfo, re.M)]
    load = re.match(r"\d+\.\d+", _read(root / "proc/loadavg") or "")
    throttled, was_throttled = _throttled(root)
    times = os.times()
    return HostState(
        load=float(load[0]) if load else None,
        mhz=max(clocks, default=None),
        celsius=_temperatures(root),
        throttled=throttled,
        was_throttled=was_throttled,
        throttle_count=_throttle_count(root),
        cpu=_cpu_times(root),
        own_seconds=times.user + times.system + times.children_user + times.children_system,
    )


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").replace("\0", "").strip()
    except OSError:
        return None


def _khz(path: Path) -> float | None:
    text = _read(path)
    return int(text) / 1000 if text and text.isdecimal() else None


def _board(root: Path, cpuinfo: str) -> str | None:
    if model := _read(root / "proc/device-tree/model"):
        return model
    # A container's firmware tables are hidden; Raspberry Pi's kernel has the model here too.
    if match := re.search(r"^Model\s*:\s*(.+)$", cpuinfo, re.M):
        return match[1].strip()
    return _read(root / "sys/devices/virtual/dmi/id/product_name")


def _memory(root: Path) -> int | None:
    total = re.search(r"^MemTotal:\s*(\d+) kB", _read(root / "proc/meminfo") or "", re.M)
    return int(total[1]) * 1024 if total else None


def _temperatures(root: Path) -> dict[str, float]:
    temperatures = {}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        name, milli = _read(zone / "type"), _read(zone / "temp")
        if name and milli and milli.lstrip("-").isdecimal():
            temperatures[name] = int(milli) / 1000
    return temperatures


def _throttled(root: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Limits of a Raspberry Pi's processor now and since boot, from its driver or its tool."""
    # soc/soc:firmware up to the Pi 4; later boards put an address into both names.
    files = sorted((root / "sys/devices/platform").glob("soc*/soc*:firmware/get_throttled"))
    text = _read(files[0]) if files else _vcgencmd() if root == ROOT else None
    try:
        bits = int(text or "0", 16)
    except ValueError:
        return (), ()
    now = tuple(name for bit, name in THROTTLED_BITS.items() if bits >> bit & 1)
    bits >>= THROTTLED_SINCE_BOOT
    return now, tuple(name for bit, name in THROTTLED_BITS.items() if bits >> bit & 1)


def _vcgencmd() -> str | None:
    """The hexadecimal value that the firmware's tool prints, as in ``throttled=0x50005``."""
    tool = Path("/usr/bin/vcgencmd")
    if not tool.exists():
        return None
    import subprocess

    try:
        completed = subprocess.run(
            [tool, "get_throttled"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return completed.stdout.strip().partition("=")[2]


def _throttle_count(root: Path) -> int | None:
    counters = (root / "sys/devices/system/cpu").glob("cpu*/thermal_throttle/*_throttle_count")
    counts = [int(text) for counter in counters if (text := _read(counter)) and text.isdecimal()]
    return sum(counts) if counts else None


def _cpu_times(root: Path) -> CpuTimes | None:
    ticks = re.match(r"cpu((?: +\d+){8})", _read(root / "proc/stat") or "")
    if ticks is None:
        return None
    hertz = os.sysconf("SC_CLK_TCK")
    user, nice, system, idle, waiting, irq, soft, steal = (int(n) / hertz for n in ticks[1].split())
    busy = user + nice + system + irq + soft
    return CpuTimes(busy, steal, busy + steal + idle + waiting)
