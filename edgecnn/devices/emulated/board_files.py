"""Files of an emulated board's /proc and /sys: CPU features, model and core topology.

Without them engines would read this machine's: LiteRT's and ONNX Runtime's cpuinfo looks for ARM
cores in /proc/cpuinfo and ends the process where it finds none. It has to agree with QEMU's core:
kernels are chosen by the features listed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgecnn.devices.profile import Caches, Cluster, Emulation

CPUS = "sys/devices/system/cpu"


def board_files(model: str, cluster: Cluster, emulation: Emulation) -> dict[str, str]:
    """Path below the root → text: /proc/cpuinfo, the device tree's model, the tree of the cores.

    Args:
        model: as the board calls itself.
        cluster: its cores; a board of several kinds of core shows one.
    """
    return {
        "proc/cpuinfo": _cpuinfo(model, cluster.count, emulation),
        # The device tree's strings end with a zero byte (Devicetree Specification, 2.2.4).
        "proc/device-tree/model": f"{model}\0",
        **dict(_cpus(cluster, emulation)),
    }


def write_files(root: Path, texts: dict[str, str]) -> None:
    """Write every file below `root`, at its path."""
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _cpuinfo(model: str, cores: int, emulation: Emulation) -> str:
    """As arch/arm64/kernel/cpuinfo.c of Linux prints it, and Raspberry Pi's kernel after it."""
    lines = []
    for core in range(cores):
        lines += [
            f"processor\t: {core}",
            "BogoMIPS\t: 108.00",
            f"Features\t: {emulation.features}",
            f"CPU implementer\t: {emulation.implementer:#04x}",
            "CPU architecture: 8",
            f"CPU variant\t: {emulation.variant:#x}",
            f"CPU part\t: {emulation.part:#05x}",
            f"CPU revision\t: {emulation.revision}",
            "",
        ]
    return "\n".join([*lines, f"Model\t\t: {model}", ""])


def _cpus(cluster: Cluster, emulation: Emulation) -> Iterator[tuple[str, str]]:
    everyone = _listing(range(cluster.count))
    for name in ("possible", "present", "online"):
        yield f"{CPUS}/{name}", f"{everyone}\n"
    yield f"{CPUS}/kernel_max", "255\n"
    for core in range(cluster.count):
        texts = _topology(core, cluster.count)
        if cluster.caches is not None:
            texts |= _caches(cluster.caches, core, cluster.count)
        texts["regs/identification/midr_el1"] = f"{_midr(emulation):#018x}"
        texts["cpufreq/cpuinfo_max_freq"] = f"{cluster.max_mhz * 1000}"
        for name, text in texts.items():
            yield f"{CPUS}/cpu{core}/{name}", f"{text}\n"


def _midr(emulation: Emulation) -> int:
    """The Main ID Register as its fields make it (Arm ARM, MIDR_EL1)."""
    high = emulation.implementer << 24 | emulation.variant << 20 | 0xF << 16
    return high | emulation.part << 4 | emulation.revision


def _topology(core: int, cores: int) -> dict[str, str]:
    """One package, one cluster, a thread a core."""
    texts = {"physical_package_id": "0", "cluster_id": "0", "core_id": str(core)}
    for name in ("core_siblings", "package_cpus", "cluster_cpus"):
        texts |= {name: f"{(1 << cores) - 1:x}", f"{name}_list": _listing(range(cores))}
    for name in ("thread_siblings", "core_cpus"):
        texts |= {name: f"{1 << core:x}", f"{name}_list": str(core)}
    return {f"topology/{name}": text for name, text in texts.items()}


def _caches(caches: Caches, core: int, cores: int) -> dict[str, str]:
    levels = [(1, "Data", caches.l1d_kib, 1), (1, "Instruction", caches.l1i_kib, 1)]
    for level, cache in ((2, caches.l2), (3, caches.l3)):
        if cache is not None:
            levels.append((level, "Unified", cache.kib, cache.cores))
    texts: dict[str, str] = {}
    for number, (level, kind, kib, shared) in enumerate(levels):
        first = core - core % shared
        who = _listing(range(first, min(first + shared, cores)))
        fields = {"level": str(level), "type": kind, "size": f"{kib}K"}
        fields |= {"coherency_line_size": "64", "shared_cpu_list": who}
        texts |= {f"cache/index{number}/{name}": text for name, text in fields.items()}
    return texts


def _listing(cores: range) -> str:
    """As the kernel writes a list of neighbouring cores."""
    return str(cores[0]) if len(cores) == 1 else f"{cores[0]}-{cores[-1]}"
