"""Tables of devices: the list, one profile, and a device that was added."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.console import coloured, table
from edgecnn.devices.profile import Cache, Caches, Cluster, Heat, Profile, Simd
from edgecnn.report.blocks import Block, Labelled

if TYPE_CHECKING:
    from edgecnn.devices.configured import Configured
    from edgecnn.devices.listing import ListedDevice


def devices_blocks(rows: Sequence[ListedDevice]) -> list[Block]:
    """One row a device, and how to add the first where there is none."""
    marks = {True: coloured("✓", "green"), False: coloured("✗", "red"), None: coloured("", "none")}
    shown = table(
        ("", "device", "where", "profile", "what it is"),
        drop=("profile", "what it is"),
        below=("what it is",),
        wrap=("what it is",),
    )
    for row in rows:
        cells = (row.name, row.where, row.profile or "", row.status)
        shown.add_row(marks[row.is_there], *cells)
    if any(row.kind == "ssh" for row in rows):
        return [shown]
    hint = "no board of yours yet; edgecnn devices add rpi pi@raspberrypi.local adds one"
    return [shown, "", hint]


def added_blocks(device: Configured, described: str, path: Path) -> list[Block]:
    """A device that was added, and the file that stores it.

    Args:
        described: the device in one line; empty where it was not contacted.
    """
    from edgecnn.devices.listing import address

    lines = {
        device.name: address(device) if device.ssh else str(device.python),
        "is": described,
        "profile": device.profile_name or "",
        "stored": f"{path}; next: edgecnn doctor --device {device.name}",
    }
    width = max(map(len, lines)) + 2
    return [Labelled(tuple((label, value) for label, value in lines.items() if value), width)]


def profile_blocks(profile: Profile) -> list[Block]:
    """Each figure of a kind of board beside its source."""
    shown = table(("", "figure", "source"), drop=("source",), below=("source",))
    for what, figure, source in _profile_rows(profile):
        shown.add_row(what, figure, source)
    return [f"{profile.name}: {profile.title}", "", shown]


def _profile_rows(profile: Profile) -> Iterator[tuple[str, str, str]]:
    """Rows of a profile: name, figure and source."""
    for cluster in profile.clusters:
        yield "cores", _cores(cluster), cluster.source
        if cluster.caches:
            yield "caches", _caches(cluster.caches), cluster.caches.source
        yield "SIMD", _simd(cluster.simd), cluster.simd.source
    if memory := profile.memory:
        sizes = ", ".join(f"{size:g}" for size in memory.sizes_gb)
        most = f", at most {memory.bandwidth_gb_s:g} GB/s" if memory.bandwidth_gb_s else ""
        yield "memory", f"{sizes} GB{most}", memory.source
    engines = profile.engines
    yield "engines", f"{', '.join(engines.expected)}. {engines.note}", engines.source
    if profile.heat:
        yield "heat", _heat(profile.heat), profile.heat.source
    if emulation := profile.emulation:
        numbers = (
            f"implementer {emulation.implementer:#04x}, variant {emulation.variant:#x}, "
            f"part {emulation.part:#05x}, revision {emulation.revision}"
        )
        yield (
            "emulation",
            f"QEMU's {emulation.qemu_cpu}: {numbers}; {emulation.features}",
            emulation.source,
        )


def _cores(cluster: Cluster) -> str:
    return f"{cluster.count} × {cluster.core}, up to {cluster.max_mhz} MHz"


def _caches(caches: Caches) -> str:
    levels = [f"L1 {caches.l1d_kib} KiB data, {caches.l1i_kib} KiB instructions"]
    levels += [_cache(name, one) for name, one in (("L2", caches.l2), ("L3", caches.l3)) if one]
    return "; ".join(levels)


def _cache(name: str, cache: Cache) -> str:
    whose = "a core" if cache.cores == 1 else f"for {cache.cores} cores"
    return f"{name} {cache.kib} KiB {whose}"


def _simd(simd: Simd) -> str:
    has = {"dotprod": simd.dotprod, "i8mm": simd.i8mm, "fp16": simd.fp16}
    kinds = ", ".join(name if is_there else f"no {name}" for name, is_there in has.items())
    return f"{simd.bits} bits, {kinds}"


def _heat(heat: Heat) -> str:
    begins = f"throttles at {heat.throttle_celsius:g} °C; " if heat.throttle_celsius else ""
    return f"{begins}needs {heat.needs}; watch {', '.join(heat.watch)}"
